//! Puts this node's account on the stage of every order that has a part for it.
//!
//! After each block the active orders are looked through; where the account has a part
//! ([`assay_job::parts`]) in one of the roles that this node plays, the party is built and driven
//! ([`crate::orders`]) until its part is over. After a restart the same look-through finds the
//! same parts, and their journals bring the parties back to where they were. A part that fails on
//! this machine is taken up again in the same way, after a pause.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use assay_job::{Casting, Part, Player, keys::KeysError, parts};
use assay_ledger::{AccountId, Order, OrderId, ReadError, RunIndex, query};
use assay_proof::{Outcome, Party};
use tokio::task::{self, JoinSet};
use tracing::{error, info, warn};

use crate::drive::DriveError;
use crate::orders::{self, OnProgress, Services};
use crate::told;

/// Told what a party of an order reports.
pub type OnReport = Arc<dyn Fn(OrderId, Part, &assay_proof::Progress) + Send + Sync>;

/// The parts of one account.
pub struct Stage {
    /// What its parties need.
    pub services: Arc<Services>,
    /// Parts it takes.
    pub parts: Vec<Part>,
    /// Where journals lie.
    pub dir: PathBuf,
    /// Told about progress.
    pub on_report: OnReport,
}

/// A part in an order.
type Place = (OrderId, Part);

/// How far an order is: its attempt, and the lists drawn of whom it asks.
type Stand = (RunIndex, u16);

fn stand(order: &Order) -> Stand {
    (order.attempt(), order.head.lists)
}

/// How far this node is with a part it took.
struct Taken {
    /// How far the order was when it was taken up last.
    stand: Stand,
    /// Times in a row that it could not go on.
    failures: u32,
    now: State,
}

enum State {
    Playing,
    Over,
    /// It failed on this machine (disk, memory, a bug) and is taken up again from its journal.
    Resting(Instant),
}

impl Taken {
    /// Whether the part is to be taken up, where its order stands now.
    fn is_due(&self, stand: Stand, now: Instant) -> bool {
        match self.now {
            State::Playing => false,
            State::Over => self.stand < stand,
            State::Resting(until) => self.stand < stand || now >= until,
        }
    }

    /// One more failure; the next try is twice as far away as the last one was.
    fn rest(&mut self) -> Duration {
        let pause = FIRST_PAUSE * 2u32.saturating_pow(self.failures.min(16));
        let pause = pause.min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.now = State::Resting(Instant::now() + pause);
        pause
    }
}

/// Time until a part that failed is taken up again; doubled with every failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

impl Stage {
    /// Runs until the chain stops.
    pub async fn run(self) {
        let account = self.services.sender.account();
        let mut heights = self.services.chain.heights();
        match self.orders(account) {
            Ok(orders) => {
                let inputs = orders
                    .iter()
                    .flat_map(|order| order.head.terms.inputs.iter());
                let needed = inputs.map(|input| input.file).collect();
                self.services.inputs.sweep(&needed);
            }
            Err(error) => warn!(reason = told(&error), "inputs of past orders stay here"),
        }
        let mut taken: BTreeMap<Place, Taken> = BTreeMap::new();
        let mut playing: JoinSet<Result<Outcome, DriveError>> = JoinSet::new();
        let mut tasks: HashMap<task::Id, Place> = HashMap::new();
        loop {
            let orders = self.orders(account);
            let orders = orders.unwrap_or_else(|error| {
                // The next block is another try.
                error!(reason = told(&error), "the orders cannot be read");
                Vec::new()
            });
            for order in orders {
                let cast = parts(&order, account);
                for casting in cast.filter(|casting| self.parts.contains(&casting.part)) {
                    let part = casting.part;
                    let place = (order.head.id, part);
                    let due = taken
                        .get(&place)
                        .is_none_or(|taken| taken.is_due(stand(&order), Instant::now()));
                    if !due {
                        continue;
                    }
                    let taken = taken.entry(place).or_insert(Taken {
                        stand: stand(&order),
                        failures: 0,
                        now: State::Playing,
                    });
                    taken.stand = stand(&order);
                    match self.party(casting, &order) {
                        Ok(party) => {
                            info!(order = %order.head.id, part = part.name(), "takes a part");
                            taken.now = State::Playing;
                            let task = self.play(&mut playing, &order, part, party);
                            tasks.insert(task, place);
                        }
                        Err(failure) => {
                            let (reason, pause) = (told(&failure), taken.rest());
                            error!(order = %order.head.id, reason, ?pause, "no keys; tried again later");
                        }
                    }
                }
            }
            tokio::select! {
                changed = heights.changed() => if changed.is_err() { return },
                Some(ended) = playing.join_next_with_id() => {
                    let (task, reason) = match ended {
                        Ok((task, Ok(_))) => (task, None),
                        Ok((task, Err(failure))) => (task, Some(told(&failure))),
                        Err(panic) => (panic.id(), Some(told(&panic))),
                    };
                    let Some(place) = tasks.remove(&task) else { continue };
                    let Some(taken) = taken.get_mut(&place) else { continue };
                    let (order, part) = (place.0, place.1.name());
                    match reason {
                        None => {
                            taken.now = State::Over;
                            taken.failures = 0;
                        }
                        Some(reason) => {
                            let pause = taken.rest();
                            error!(%order, part, reason, ?pause, "a part failed; tried again later");
                        }
                    }
                }
            }
        }
    }

    /// The orders in which the account may have a part that this node plays. How many others there
    /// are makes no difference.
    fn orders(&self, account: AccountId) -> Result<Vec<Order>, ReadError> {
        let state = self.services.chain.state();
        let mut indexes: Vec<_> = self.parts.iter().map(|part| part.listed(account)).collect();
        indexes.dedup();
        let mut orders = BTreeMap::new();
        for which in indexes {
            let listed = query::listed(&*state, which, usize::MAX)?.entries;
            orders.extend(listed.into_iter().map(|order| (order.head.id, order)));
        }
        Ok(orders.into_values().collect())
    }

    fn party(&self, casting: &Casting, order: &Order) -> Result<Box<Party>, KeysError> {
        let state = self.services.chain.state();
        let player = Player {
            key: &self.services.key,
            state: &*state,
        };
        casting.machine(&player, order)
    }

    fn play(
        &self,
        playing: &mut JoinSet<Result<Outcome, DriveError>>,
        order: &Order,
        part: Part,
        party: Box<Party>,
    ) -> task::Id {
        let id = order.head.id;
        let services = self.services.clone();
        let journal = format!("{}.journal", part.name());
        let journal = self.dir.join("orders").join(id.to_string()).join(journal);
        let report = self.on_report.clone();
        let on_progress: OnProgress = Box::new(move |progress| report(id, part, progress));
        let task = playing
            .spawn(async move { orders::run(&services, id, party, &journal, on_progress).await });
        task.id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_fails_is_taken_up_again_ever_more_rarely() {
        let mut taken = Taken {
            stand: (RunIndex(0), 1),
            failures: 0,
            now: State::Playing,
        };
        let now = Instant::now();
        assert!(
            !taken.is_due((RunIndex(0), 1), now) && !taken.is_due((RunIndex(1), 1), now),
            "it is playing"
        );
        let pauses: Vec<u64> = (0..12).map(|_| taken.rest().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert!(!taken.is_due((RunIndex(0), 1), now));
        assert!(taken.is_due((RunIndex(0), 1), now + 2 * LONGEST_PAUSE));
        assert!(
            taken.is_due((RunIndex(1), 1), now),
            "another attempt does not wait"
        );
        taken.now = State::Over;
        assert!(
            !taken.is_due((RunIndex(0), 1), now + 2 * LONGEST_PAUSE)
                && taken.is_due((RunIndex(1), 1), now)
        );
        assert!(taken.is_due((RunIndex(0), 2), now), "another list asks it");
    }
}
