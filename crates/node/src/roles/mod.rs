//! Puts this node's account on the stage of every order that has a part for it.
//!
//! After each block the active orders are looked through; where the account has become provider,
//! auditor, validator in a dispute or is the requester, the party is built and driven
//! ([`crate::driver`]) until its part is over. After a restart the same look-through finds the
//! same parts, and their journals bring the parties back to where they were.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use assay_ledger::{AccountId, Order, OrderId, Phase, query};
use assay_proof::{
    Outcome, Party,
    parties::{Auditor, Provider, Requester, Validator},
};
use tokio::task::JoinSet;
use tracing::{error, info};

use crate::driver::{self, DriveError, OnProgress, Services, journal_file};
use crate::{requester, told};

/// A part an account can have in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Posted it and holds its keys.
    Requester,
    /// Runs it.
    Provider,
    /// Replays drawn segments.
    Auditor,
    /// Judges a dispute.
    Validator,
}

impl Part {
    /// The part's name in logs and file names.
    pub fn name(self) -> &'static str {
        match self {
            Part::Requester => "requester",
            Part::Provider => "provider",
            Part::Auditor => "auditor",
            Part::Validator => "validator",
        }
    }

    /// Whether the order has this part for the account now.
    fn is_cast(self, order: &Order, account: AccountId) -> bool {
        match self {
            Part::Requester => order.requester == account,
            Part::Provider => order.provider() == Some(account),
            Part::Auditor => order
                .rounds
                .iter()
                .flat_map(|round| &round.seats)
                .any(|s| s.auditor == account),
            Part::Validator => matches!(order.phase, Phase::Bisecting | Phase::Attesting),
        }
    }
}

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

type Ended = (OrderId, Part, u8, Result<Outcome, DriveError>);

impl Stage {
    /// Runs until the chain stops.
    pub async fn run(self) {
        let account = self.services.sender.account();
        let mut heights = self.services.chain.heights();
        // The attempt in which a part was last taken up, and whether it is over.
        let mut taken: BTreeMap<(OrderId, Part), (u8, bool)> = BTreeMap::new();
        let mut playing: JoinSet<Ended> = JoinSet::new();
        loop {
            let orders = query::active_orders(&*self.services.chain.state());
            let orders = orders.unwrap_or_else(|error| {
                // The next block is another try.
                error!(reason = told(&error), "the orders cannot be read");
                Vec::new()
            });
            for order in orders {
                for part in &self.parts {
                    let fresh = match taken.get(&(order.id, *part)) {
                        None => true,
                        Some((attempt, over)) => *over && *attempt < order.attempt,
                    };
                    if !fresh || !part.is_cast(&order, account) {
                        continue;
                    }
                    if let Some(party) = self.party(*part, &order) {
                        info!(order = %order.id, part = part.name(), "takes a part");
                        taken.insert((order.id, *part), (order.attempt, false));
                        self.play(&mut playing, &order, *part, party);
                    }
                }
            }
            tokio::select! {
                changed = heights.changed() => if changed.is_err() { return },
                Some(ended) = playing.join_next() => {
                    let (order, part, attempt, result) = match ended {
                        Ok(ended) => ended,
                        // A part that panicked is taken up again from its journal at the next start.
                        Err(panic) => {
                            error!(reason = told(&panic), "a part died; restart this node");
                            continue;
                        }
                    };
                    if let Err(failure) = &result {
                        let reason = told(failure);
                        error!(%order, part = part.name(), reason, "a part was dropped");
                    }
                    taken.insert((order, part), (attempt, true));
                }
            }
        }
    }

    fn party(&self, part: Part, order: &Order) -> Option<Box<dyn Party>> {
        let identity = self.services.identity();
        Some(match part {
            Part::Requester => {
                let state = self.services.chain.state();
                let keys = requester::recover(&*state, &self.services.key, order);
                let keys = keys.inspect_err(|failure| {
                    error!(order = %order.id, reason = told(failure), "no keys");
                });
                Box::new(Requester::new(identity, keys.ok()?))
            }
            Part::Provider => Box::new(Provider::new(identity)),
            Part::Auditor => Box::new(Auditor::new(identity)),
            Part::Validator => Box::new(Validator::new(identity)),
        })
    }

    fn play(&self, playing: &mut JoinSet<Ended>, order: &Order, part: Part, party: Box<dyn Party>) {
        let (id, attempt) = (order.id, order.attempt);
        let services = self.services.clone();
        let journal = journal_file(&self.dir, id, part.name());
        let report = self.on_report.clone();
        let on_progress: OnProgress = Box::new(move |progress| report(id, part, progress));
        playing.spawn(async move {
            let result = driver::run(&services, id, party, &journal, on_progress).await;
            (id, part, attempt, result)
        });
    }
}
