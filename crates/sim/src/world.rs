//! A network of validators, each the engine that `assay` runs, on one clock.
//!
//! Everything that happens follows from the seed: the order in which tasks run, how long messages
//! travel and which are lost, what liars say. Time passes only when nobody has anything left to do.

mod clients;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use assay_chain::validator::{Identity, Member};
use assay_chain::{Chain, StartError};
use assay_crypto::SecretKey;
use assay_ledger::Height;
use commonware_runtime::deterministic::Context;
use commonware_runtime::{Clock as _, Handle, Spawner as _, Supervisor as _};
use tokio::sync::broadcast::error::RecvError;

use crate::disk::Disk;
use crate::founding::{GENESIS_MS, key};
use crate::liars::validators::{LiarKind, sides};
use crate::links::{Link, Links};
use crate::orders::BooksError;
use crate::watch::{Seat, Watch};

/// How long a killed validator takes to be gone, at least.
const DYING: Duration = Duration::from_millis(1);

/// Why a network cannot be made or go on.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Something about the genesis is impossible.
    #[error("no genesis for {0} validators can be made")]
    Genesis(usize),
    /// A validator does not start.
    #[error("validator {port} does not start")]
    Start {
        /// Which one.
        port: usize,
        /// Why not.
        #[source]
        source: StartError,
    },
    /// There is no such validator.
    #[error("there is no validator {0}")]
    Unknown(usize),
    /// The ledger of an order is broken.
    #[error("the ledger of an order is broken")]
    Books(#[from] BooksError),
}

/// One place from which somebody takes part.
struct Place {
    member: Member,
    disk: Disk,
    running: Option<Handle<()>>,
    /// Its disk was set to fail: that it stops by itself is what is wanted.
    may_stop: bool,
}

type Chains = Arc<Mutex<Vec<Option<Chain>>>>;

/// A running network.
pub(crate) struct World {
    context: Context,
    links: Links,
    watch: Watch,
    places: Vec<Place>,
    chains: Chains,
    honest: Vec<usize>,
    failures: Vec<String>,
    client: SecretKey,
}

impl World {
    /// A network of these validators, of which some are liars. Nobody is started yet.
    pub(crate) fn new(
        context: Context,
        seed: u64,
        members: Vec<Member>,
        link: Link,
        liars: &[(usize, LiarKind)],
    ) -> Result<Self, WorldError> {
        let client = key(u32::MAX);
        let count = members.len();
        let names: Vec<Identity> = members.iter().map(|m| m.identity().clone()).collect();
        let lies = |port: usize| liars.iter().find(|(liar, _)| *liar == port);
        let honest: Vec<usize> = (0..count).filter(|port| lies(*port).is_none()).collect();
        let twins = liars.iter().filter(|(_, kind)| *kind == LiarKind::Twins);
        let twins: Vec<usize> = twins.map(|(port, _)| *port).collect();
        let second = twins.iter().filter_map(|port| members.get(*port)).cloned();
        let all: Vec<Member> = members.iter().cloned().chain(second).collect();
        let of_port = |port: usize| match port.checked_sub(count) {
            Some(twin) => twins.get(twin).copied().unwrap_or(port),
            None => port,
        };
        let seats = (0..all.len()).map(|port| Seat {
            validator: of_port(port),
            honest: lies(of_port(port)).is_none(),
        });
        let watch = Watch::new(seats.collect(), client.public());
        let places_names = all.iter().map(|m| m.identity().clone()).collect();
        let links = Links::new(&context, seed, places_names, watch.clone());
        links.set(link);
        for (port, kind) in liars {
            let Some(member) = members.get(*port) else {
                return Err(WorldError::Unknown(*port));
            };
            if let Some(tongue) = kind.tongue(member, &names, seed) {
                links.give(*port, tongue);
            }
        }
        let (far_from_first, far_from_second) = sides(&honest);
        for (place, port) in twins.iter().enumerate() {
            let twin = count + place;
            (count..all.len()).for_each(|second| links.keep_apart(*port, second));
            far_from_first
                .iter()
                .for_each(|far| links.keep_apart(*port, *far));
            far_from_second
                .iter()
                .for_each(|far| links.keep_apart(twin, *far));
        }
        let places: Vec<Place> = (0..)
            .zip(all)
            .map(|(port, member)| Place {
                member,
                disk: Disk::new(seed.wrapping_add(port)),
                running: None,
                may_stop: false,
            })
            .collect();
        let chains = Arc::new(Mutex::new(places.iter().map(|_| None).collect()));
        Ok(Self {
            context,
            links,
            watch,
            places,
            chains,
            honest,
            failures: Vec::new(),
            client,
        })
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    /// Validators that keep to the protocol.
    pub(crate) fn honest(&self) -> &[usize] {
        &self.honest
    }

    /// Places of validators, twins included.
    pub(crate) fn ports(&self) -> std::ops::Range<usize> {
        0..self.places.len()
    }

    /// Milliseconds since the beginning.
    pub(crate) fn now_ms(&self) -> u64 {
        since_genesis(self.context.current())
    }

    /// Lets time pass until so many milliseconds after the beginning.
    pub(crate) async fn wait_until(&self, at_ms: u64) {
        let at = UNIX_EPOCH + Duration::from_millis(GENESIS_MS + at_ms);
        self.context.sleep_until(at).await;
    }

    pub(crate) fn is_up(&self, port: usize) -> bool {
        self.places
            .get(port)
            .is_some_and(|place| place.running.is_some())
    }

    /// Starts a validator from what its disk holds.
    pub(crate) fn start(&mut self, port: usize) -> Result<(), WorldError> {
        let place = self.places.get_mut(port).ok_or(WorldError::Unknown(port))?;
        if place.running.is_some() {
            return Ok(());
        }
        let context = self.context.child("validator").with_attribute("port", port);
        let network = self.links.open(port, &context);
        let network = network.ok_or(WorldError::Unknown(port))?;
        let prefix = format!("port{port}-");
        let (chain, running) = place
            .member
            .run(context, place.disk.plug("chain"), &prefix, network)
            .map_err(|source| WorldError::Start { port, source })?;
        place.running = Some(running);
        place.may_stop = false;
        let (watch, mut blocks) = (self.watch.clone(), chain.subscribe());
        self.context
            .child("watch")
            .spawn(move |context| async move {
                loop {
                    match blocks.recv().await {
                        Ok(block) => {
                            let at_ms = since_genesis(context.current());
                            watch.finalized(port, &block, at_ms);
                        }
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return,
                    }
                }
            });
        if let Some(slot) = lock(&self.chains).get_mut(port) {
            *slot = Some(chain);
        }
        Ok(())
    }

    /// Kills a validator: what it had not synced is forgotten.
    pub(crate) async fn kill(&mut self, port: usize) {
        let Some(place) = self.places.get_mut(port) else {
            return;
        };
        place.disk.cut();
        self.links.close(port);
        if let Some(running) = place.running.take() {
            running.abort();
        }
        let chain = lock(&self.chains).get_mut(port).and_then(Option::take);
        if let Some(chain) = chain {
            if let Some(failure) = chain.failure().filter(|_| !place.may_stop) {
                self.failures.push(format!("validator {port}: {failure}"));
            }
            chain.stop();
        }
        self.context.sleep(DYING).await;
    }

    /// Lets the power of a validator fail in place of one of its next syncs.
    pub(crate) fn fail_at_sync(&mut self, port: usize, syncs: u64) {
        if let Some(place) = self.places.get_mut(port) {
            place.may_stop = true;
            place.disk.cut_at_sync(syncs);
        }
    }

    /// Reads every honest validator's chain from its store and compares it with the others'; gives
    /// the height that all of them have.
    pub(crate) fn compare(&self) -> u64 {
        let chains = lock(&self.chains);
        let mut noted = self.watch.lock();
        let mut lowest = u64::MAX;
        for port in &self.honest {
            let Some(Some(chain)) = chains.get(*port) else {
                continue;
            };
            let head = chain.head().height.0;
            lowest = lowest.min(head);
            for height in 1..=head {
                let found = chain.block(Height(height)).ok().flatten().map(|b| b.digest);
                let Some(found) = found else {
                    noted.forks.push(format!(
                        "height {height}: validator {port} has lost the block"
                    ));
                    continue;
                };
                let known = *noted.agreed.entry(height).or_insert(found);
                if found != known {
                    noted.forks.push(format!(
                        "height {height}: {found} on the disk of validator {port}, {known} before"
                    ));
                }
            }
        }
        if lowest == u64::MAX { 0 } else { lowest }
    }

    /// Why validators stopped that should not have.
    pub(crate) fn failures(&self) -> Vec<String> {
        let chains = lock(&self.chains);
        let now = self.places.iter().zip(chains.iter()).enumerate();
        let now = now.filter_map(|(port, (place, chain))| {
            let failure = chain.as_ref()?.failure().filter(|_| !place.may_stop)?;
            Some(format!("validator {port}: {failure}"))
        });
        self.failures.iter().cloned().chain(now).collect()
    }
}

fn lock(chains: &Chains) -> MutexGuard<'_, Vec<Option<Chain>>> {
    chains.lock().unwrap_or_else(PoisonError::into_inner)
}

fn since_genesis(now: SystemTime) -> u64 {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis())
        .unwrap_or(u64::MAX)
        .saturating_sub(GENESIS_MS)
}
