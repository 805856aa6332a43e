//! Ledger time: how long the network has been running, as far as it can be held against anybody.
//!
//! It is the sum over blocks of the time since the block's parent, at most [`MAX_BLOCK_MS`] for each.
//! So it passes as clocks do while blocks come, however many of them, and stands still while none
//! come: what a halt left out is never caught up. `docs/decisions/0316-ledger-time.md` says what those
//! who stamp the blocks can gain.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{Height, LedgerTime};

/// The most ledger time that passes from a block to the next one, in milliseconds.
pub const MAX_BLOCK_MS: u64 = 10_000;

impl LedgerTime {
    /// The time so many milliseconds later.
    pub fn after(self, ms: u64) -> LedgerTime {
        LedgerTime(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` until this time; 0 if it is not earlier.
    pub fn since(self, earlier: LedgerTime) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The ledger time of a block, given its parent's and the stamps of both.
    pub(crate) fn of_block(self, parent_ms: u64, timestamp_ms: u64) -> LedgerTime {
        self.after(timestamp_ms.saturating_sub(parent_ms).min(MAX_BLOCK_MS))
    }
}

impl fmt::Display for LedgerTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.0 / 1_000, self.0 % 1_000)
    }
}

/// A block as a moment: its ledger time and its height.
///
/// As a deadline it is over only when both are passed: see [`Moment::is_over`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
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
pub struct Moment {
    /// The ledger time, in milliseconds.
    pub time: LedgerTime,
    /// The height.
    pub height: Height,
}

impl Moment {
    /// The deadline of what begins now and lasts `ms` milliseconds and `blocks` blocks, whichever is
    /// longer: what it waits for may come in every block up to there.
    pub fn deadline(self, ms: u64, blocks: u32) -> Moment {
        Moment {
            time: self.time.after(ms),
            height: self.height.after(blocks),
        }
    }

    /// This moment, and so many eighths of the way from one moment to another later.
    pub(crate) fn later(self, eighths: u64, (from, to): (Moment, Moment)) -> Moment {
        let part = |whole: u64| whole.saturating_mul(eighths) / 8;
        let blocks = part(to.height.0.saturating_sub(from.height.0));
        Moment {
            time: self.time.after(part(to.time.since(from.time))),
            height: Height(self.height.0.saturating_add(blocks)),
        }
    }

    /// Whether the block `now` is as late as this, by its time and by its height.
    pub(crate) fn is_reached(self, now: Moment) -> bool {
        now.time >= self.time && now.height >= self.height
    }

    /// Whether a deadline is over in the block `now`.
    pub fn is_over(self, now: Moment) -> bool {
        now.time > self.time && now.height > self.height
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ledger time {} and block {}", self.time, self.height)
    }
}
