//! What a move is about.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{OrderId, RunIndex};

/// The one place in an order where a move counts. A move that arrives late, when the order has
/// gone on to another run, round or dispute, is refused instead of being taken for one about that.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Place {
    /// The order.
    pub order: OrderId,
    /// The run.
    pub run: RunIndex,
    /// What of that run.
    pub occasion: Occasion,
}

/// A part of a run's life.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The work itself.
    Work,
    /// A draw of auditors, counted from 0 in each run.
    Round(u16),
    /// A dispute, counted from 0 in each order.
    Dispute(u16),
    /// A list of accounts that are asked to take part, counted from 0 in each order.
    List(u16),
    /// The second look at the dispute of this number, in which what was missing is shown again.
    SecondLook(u16),
}

impl Occasion {
    /// Its bytes in keys and digests.
    pub fn bytes(self) -> [u8; 3] {
        let (kind, number) = match self {
            Occasion::Work => (0, 0),
            Occasion::Round(number) => (1, number),
            Occasion::Dispute(number) => (2, number),
            Occasion::List(number) => (3, number),
            Occasion::SecondLook(number) => (4, number),
        };
        let [high, low] = u16::to_be_bytes(number);
        [kind, high, low]
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "run {} of order {}", self.run, self.order)?;
        match self.occasion {
            Occasion::Work => Ok(()),
            Occasion::Round(number) => write!(f, ", audit round {number}"),
            Occasion::Dispute(number) => write!(f, ", dispute {number}"),
            Occasion::SecondLook(number) => write!(f, ", second look at dispute {number}"),
            Occasion::List(number) => write!(f, ", list {number}"),
        }
    }
}
