//! The parties of orders with all that a node would have for them, through as many lives as it takes.
//!
//! A member plays its part in every order of its world at once, in one process: whoever kills it ends
//! all of them.

mod watch_and_log;

use std::collections::BTreeMap;
use std::future::pending;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use assay_crypto::aead::FileKey;
use assay_crypto::stream::Stream;
use assay_crypto::{Digest, SecretKey};
use assay_ledger::{Amount, Call, FileCall, FileId, Role};
use assay_machine::Millis;
use assay_node::drive::{
    DriveError, Journal, JournalKey, Memory, NoMail, Perform, Runtime, run_on,
};
use assay_proof::{Answer, Ask, Handle, Identity, Outcome, Party, Traced, Worker};
use commonware_runtime::deterministic::Context;
use commonware_runtime::{Clock as _, Supervisor as _};
use tokio::sync::Notify;

use self::watch_and_log::{Mortal, News};
use super::maker::Maker;
use super::member::Member;
use super::rules::Rule;
use super::shared::{BLOCK, Shared};
use super::stage::Stage;
use super::vault::Vault;
use crate::disk::Disk;

/// What of a party outlives its process, and what its driver and the world both have.
pub(super) struct Place {
    pub(super) secret: SecretKey,
    /// Its bond at the start.
    pub(super) bond: Amount,
    disk: Disk,
    now: Mutex<Now>,
}

struct Now {
    member: Member,
    dice: Stream,
    /// Ends the life under way in each order.
    ends: BTreeMap<usize, Arc<End>>,
    /// It does not come back.
    away: bool,
}

#[derive(Default)]
struct End {
    came: AtomicBool,
    told: Notify,
}

impl Place {
    pub(super) fn new(
        name: String,
        role: Option<(Role, Amount)>,
        secret: SecretKey,
        dice: Stream,
    ) -> Self {
        let bond = role.map(|(_, bond)| bond).unwrap_or_default();
        let member = Member {
            name,
            role: role.map(|(role, _)| role),
            account: secret.public(),
            outcome: None,
            kills: 0,
            steps: 0,
        };
        Self {
            disk: Disk::new(seed_of_disk(&secret)),
            secret,
            bond,
            now: Mutex::new(Now {
                member,
                dice,
                ends: BTreeMap::new(),
                away: false,
            }),
        }
    }

    pub(super) fn member(&self) -> Member {
        self.now().member.clone()
    }

    /// Ends the lives under way without warning; what was asked for goes unanswered.
    pub(super) fn kill(&self) {
        let mut now = self.now();
        let ends = std::mem::take(&mut now.ends);
        if !ends.is_empty() {
            self.disk.cut();
            now.member.kills += 1;
        }
        for end in ends.into_values() {
            end.came.store(true, Ordering::Relaxed);
            end.told.notify_one();
        }
    }

    /// [`Self::kill`], for good.
    pub(super) fn stay_away(&self) {
        self.kill();
        self.now().away = true;
    }

    /// A copy of its disk.
    pub(super) fn back_up(&self) -> Disk {
        self.disk.copy()
    }

    /// [`Self::kill`], and its disk is what it was when the copy was made.
    pub(super) fn restore(&self, backup: &Disk) {
        self.kill();
        self.disk.restore(backup);
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn identity(&self) -> Identity {
        Identity {
            account: self.secret.public(),
            encryption: self.secret.encryption(),
        }
    }

    /// A life begins in an order, unless the party is away for good.
    fn begin(&self, stage: usize) -> Option<Arc<End>> {
        let mut now = self.now();
        let end = Arc::new(End::default());
        now.ends.insert(stage, end.clone());
        (!now.away).then_some(end)
    }

    /// The part in an order is over.
    fn leave(&self, stage: usize) {
        self.now().ends.remove(&stage);
    }

    fn below(&self, bound: u64) -> u64 {
        self.now().dice.below(bound)
    }
}

/// Plays a part until its order has ended or the member stays away.
pub(super) async fn live(context: Context, shared: Arc<Shared>, maker: Maker) {
    let Maker {
        at,
        stage,
        party,
        programs,
    } = maker;
    let Some(place) = shared.places.get(at) else {
        return;
    };
    let mut views = stage.views.subscribe();
    while let Some(end) = place.begin(stage.number) {
        let life = Life {
            context: context.child("life"),
            shared: shared.clone(),
            at,
            stage: stage.clone(),
            end: end.clone(),
            worker: Mutex::new(Worker::new(programs())),
        };
        let driven = tokio::select! {
            biased;
            () = end.told.notified() => None,
            driven = life.drive(party(place.identity())) => Some(driven),
        };
        match driven {
            Some(Ok(outcome)) => {
                place.now().member.outcome = Some(outcome);
                if !stage.next_attempt(&mut views).await {
                    return place.leave(stage.number);
                }
            }
            Some(Err(error)) if !end.came.load(Ordering::Relaxed) => {
                return shared.failed(at, &error);
            }
            // It was killed, which a journal that is written at that moment notices first.
            _ => {
                let blocks = u32::try_from(place.below(3)).unwrap_or(0);
                context.sleep(BLOCK * blocks).await;
            }
        }
    }
}

/// Every party has a disk of its own, with chances of its own.
fn seed_of_disk(secret: &SecretKey) -> u64 {
    let seed = Digest::of("assay/sim/disk/v1", &[&secret.public().0]).0;
    seed.first_chunk().copied().map_or(0, u64::from_le_bytes)
}

/// What one life is driven with: the order that it sees, and where what it asks for is done.
struct Life {
    context: Context,
    shared: Arc<Shared>,
    at: usize,
    stage: Arc<Stage>,
    end: Arc<End>,
    worker: Mutex<Worker>,
}

impl Life {
    async fn drive(&self, mut party: Box<Party>) -> Result<Outcome, DriveError> {
        let place = self.place();
        let number = self.stage.number;
        let path = PathBuf::from(format!("{} in order {number}", place.member().name));
        let key = JournalKey::new(&place.secret, &format!("order {number}"));
        let opened = Journal::open_on(&place.disk.mount(), &path, key, None);
        let (journal, past) = opened.map_err(|source| DriveError::Journal { path, source })?;
        let memory = Memory {
            journal: Mortal {
                life: self,
                journal,
            },
            past,
        };
        let news = News {
            life: self,
            views: self.stage.views.subscribe(),
            begun: false,
        };
        run_on(self, &mut *party, Some(memory), news, NoMail, self, |_| {}).await
    }

    fn place(&self) -> &Place {
        &self.shared.places[self.at]
    }

    /// Whether the party is to be killed now.
    fn is_due(&self) -> bool {
        let kills = self.shared.plan.kills;
        kills > 0 && self.place().below(1_000) < kills
    }

    /// Whether the party is dead; it may be killed at this moment.
    fn is_struck(&self) -> bool {
        let dead = self.end.came.load(Ordering::Relaxed);
        if !dead && self.is_due() {
            self.place().kill();
            return true;
        }
        dead
    }

    async fn submit(&self, call: Call) -> Result<(), String> {
        if let Call::File(FileCall::Delete { file }) = &call {
            // The nodes of a liar do as it says, whatever the ledger does.
            let owner = self.place().secret.public();
            self.shared.vault().throw_away(*file, owner);
        }
        let receipt = self
            .shared
            .books()
            .submit(self.at, &self.place().secret, call);
        match receipt.await {
            Ok(receipt) => receipt,
            Err(_) => pending().await,
        }
    }

    async fn store(&self, name: String, key: FileKey, bytes: Vec<u8>) -> Result<FileId, String> {
        let owner = self.place().secret.public();
        let file = self.shared.vault().store(owner, &key, bytes);
        let put = self.shared.put(file, owner, &name);
        self.submit(put.into()).await?;
        Ok(file)
    }

    /// An answer may take some blocks.
    async fn delay(&self) {
        let blocks = self.place().below(self.shared.plan.delay + 1);
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        if blocks > 0 {
            self.context.sleep(BLOCK.saturating_mul(blocks)).await;
        }
    }
}

impl Runtime for Life {
    fn now(&self) -> Millis {
        let now = self.context.current().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_millis();
        Millis(u64::try_from(now).unwrap_or(u64::MAX))
    }

    async fn sleep_until(&self, time: Millis) {
        let time = UNIX_EPOCH + Duration::from_millis(time.0);
        self.context.sleep_until(time).await;
    }

    fn seed(&self) -> Result<[u8; 32], DriveError> {
        let mut seed = [0; 32];
        self.place().now().dice.fill(&mut seed);
        Ok(seed)
    }
}

impl Perform<Traced> for Life {
    async fn perform(&self, ask: Ask) -> Answer {
        if self.is_struck() {
            return pending().await;
        }
        let place = self.place();
        let me = place.secret.public();
        match ask {
            Ask::Submit(call) => Answer::Submitted(self.submit(*call).await),
            Ask::Fetch { file, owner, key } => {
                let fetched = self.shared.vault().fetch_by(me, file, owner, &key, None);
                self.delay().await;
                Answer::Fetched(fetched)
            }
            Ask::Examine {
                file,
                owner,
                key,
                state,
            } => {
                let examined = (self.shared.vault()).examine_by(me, (file, owner), &key, state);
                self.delay().await;
                Answer::Examined(examined)
            }
            Ask::FetchInput {
                file,
                owners,
                key,
                content,
            } => {
                let fetched = (self.shared.vault()).fetch_of_any(me, file, &owners, &key, content);
                self.delay().await;
                Answer::Input(fetched.map(Handle::in_memory))
            }
            Ask::Store { name, key, bytes } => Answer::Stored(self.store(name, key, bytes).await),
            Ask::Keep {
                name,
                file,
                key,
                bytes,
                again,
            } => {
                if again {
                    self.shared.vault().shown.insert((file, me));
                }
                let left_out = self.shared.leaves_out(Rule::CopiesOfInputs);
                Answer::Stored(match bytes.whole(u64::MAX) {
                    Ok(bytes) if left_out => Ok(Vault::name(&key, &bytes)),
                    Ok(bytes) => self.store(name, key, bytes.into_owned()).await,
                    Err(error) => Err(error.to_string()),
                })
            }
            Ask::Weigh => Answer::Weighed(Ok(())),
            Ask::Work(work) => {
                let done = {
                    let mut steps = 0;
                    let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
                    let done = worker.run(&work, &mut |_| {
                        steps += 1;
                        ControlFlow::Continue(())
                    });
                    place.now().member.steps += steps;
                    done
                };
                self.delay().await;
                Answer::Worked(done)
            }
        }
    }
}
