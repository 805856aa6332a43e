//! Orders with rounds: who plays which part in them, how trainers come, and the audits that begin by themselves.
//!
//! The audit of a trainer's round is an order of its own (decision 0343), which nobody posts. As soon as one is on the
//! ledger all who may have a part in it enter: its trainer, the auditors and the validators.

mod audits;
mod joining;
mod judged;
mod parts;
mod seen;
pub(super) mod summing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use assay_ledger::{Height, OrderId, Trainer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::cast::Actor;
use super::maker::Maker;
use super::stage::Stage;
pub(super) use judged::{Honest, Judged, judge};
pub(super) use parts::part;
pub(crate) use summing::forged_update;

/// What a world knows of its orders with rounds.
pub(super) struct Rounds {
    /// What members that have a role are, by their place.
    actors: BTreeMap<usize, Actor>,
    audits: Mutex<Vec<Arc<Stage>>>,
    tries: Mutex<Tries>,
    /// What all validators see of an order alike, after the last block.
    senders: Mutex<Option<Senders>>,
    /// Parties that are to enter; none where no order has rounds.
    entering: Option<UnboundedSender<Maker>>,
    entered: Mutex<Option<UnboundedReceiver<Maker>>>,
}

impl Rounds {
    pub(super) fn new(has_rounds: bool, actors: BTreeMap<usize, Actor>) -> Self {
        let (entering, entered) = has_rounds.then(unbounded_channel).unzip();
        Self {
            actors,
            audits: Mutex::default(),
            tries: Mutex::default(),
            senders: Mutex::default(),
            entering,
            entered: Mutex::new(entered),
        }
    }
}

impl Rounds {
    /// Whether a member looks at what others send.
    pub(super) fn reads(&self, at: usize) -> bool {
        self.actors.get(&at).is_some_and(|actor| actor.reads)
    }
}

/// Who has sent an update in the round under way of an order, after which block.
struct Senders {
    order: OrderId,
    height: Height,
    all: Vec<Trainer>,
}

/// Who wants to join which orders, by the numbers of order and provider.
#[derive(Default)]
struct Tries {
    /// Who joins later than as soon as it can.
    wanting: BTreeSet<(usize, usize)>,
    /// When each tried last.
    last: BTreeMap<(usize, usize), Height>,
}
