//! The parts of a history that can be looked at one by one, each by doing it again.

use std::collections::BTreeSet;
use std::fmt;

use assay_crypto::{Digest, stream::Stream};
use assay_ledger::{OrderId, RunIndex};
use serde::{Deserialize, Serialize};

/// One thing that somebody did and that can be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "item", rename_all = "snake_case")]
pub enum Item {
    /// The model that the first round of an order began with. Whoever reads the ledger can make it.
    FirstModel {
        /// The order.
        order: OrderId,
    },
    /// What a round's updates made of the model. Whoever reads the ledger can merge them.
    Merge {
        /// The order.
        order: OrderId,
        /// The round, counted from 0.
        round: u16,
    },
    /// A trainer's steps behind an update that was merged. They take its rows, which its key opens.
    Steps {
        /// The order.
        order: OrderId,
        /// The round, counted from 0.
        round: u16,
        /// The trainer's number.
        trainer: u16,
    },
    /// A provider's run whose result was accepted, or that the validators found to be false: then its steps have to
    /// give something else. It takes its inputs, which the requester's key opens.
    Run {
        /// The order; of a trainer that was found to have lied, that of its audit.
        order: OrderId,
        /// Which of its runs.
        run: RunIndex,
    },
}

impl Item {
    /// The order it belongs to.
    pub fn order(&self) -> OrderId {
        match self {
            Self::FirstModel { order }
            | Self::Merge { order, .. }
            | Self::Steps { order, .. }
            | Self::Run { order, .. } => *order,
        }
    }
}

impl fmt::Display for Item {
    /// As people count: from 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = self.order();
        match self {
            Self::FirstModel { .. } => write!(f, "order {order}, first model"),
            Self::Merge { round, .. } => write!(f, "order {order}, merge of round {}", round + 1),
            Self::Steps { round, trainer, .. } => {
                let round = round + 1;
                write!(
                    f,
                    "order {order}, steps of trainer {trainer} in round {round}"
                )
            }
            Self::Run { run, .. } => write!(f, "order {order}, run {}", run.0 + 1),
        }
    }
}

/// What came of doing an item again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "found", content = "what", rename_all = "snake_case")]
pub enum Found {
    /// The same as the ledger says.
    Equal,
    /// Something else.
    Differs(String),
    /// What it takes is not in the archive, or damaged there.
    Missing(String),
    /// This machine cannot do it.
    Unable(String),
}

/// Draws `count` items, each uniformly and however often, from a seed that nobody knew before: so a share b
/// of bad items goes unseen with the probability `(1 - b)^count` exactly, as [`found_with`] says. Returns each that was
/// drawn once, in order.
pub fn draw(items: &[Item], count: u32, seed: Digest) -> Vec<Item> {
    let mut stream = Stream::new(seed, "audit", 0);
    let mut drawn = BTreeSet::new();
    for _ in 0..count {
        if drawn.len() == items.len() {
            break;
        }
        let at = stream.below(items.len() as u64);
        drawn.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
    }
    let mut drawn: Vec<Item> = drawn.into_iter().copied().collect();
    drawn.sort_unstable();
    drawn
}

/// The chance to see a bad one among `count` drawn items of which a `share` is bad: `1 - (1 - share)^count`.
pub fn found_with(share: f64, count: u32) -> f64 {
    1.0 - (1.0 - share).powi(i32::try_from(count).unwrap_or(i32::MAX))
}

#[cfg(test)]
#[path = "items_tests.rs"]
mod tests;
