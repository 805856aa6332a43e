//! Ledger time: how long the network has been running, as far as it can be held against anybody.
//!
//! It is the sum over blocks of the time since the block's parent, at most [`MAX_BLOCK_MS`] for each.
//! So it passes as clocks do while blocks come, however many of them, and stands still while none
//! come: what a halt left out is never caught up. `docs/decisions/0316-ledger-time.md` says what those
//! who stamp the blocks can gain.

use std::{fmt, time::Duration};

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

/// A length of time in milliseconds, as people are told it: in its two largest units, rounded down, below ten
/// seconds to a tenth of one; with `#` to the millisecond, for lengths that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lasting(pub u64);

impl From<Duration> for Lasting {
    fn from(duration: Duration) -> Self {
        Lasting(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 3] = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)];
        let exact = f.alternate();
        let mut told = Vec::new();
        let mut rest = self.0;
        for (unit, length) in UNITS {
            if rest >= length {
                told.push(format!("{} {unit}", rest / length));
            }
            rest %= length;
        }
        let (seconds, ms) = (rest / 1_000, rest % 1_000);
        match rest {
            0 if self.0 == 0 => told.push("no time".to_owned()),
            0 => {}
            1..1_000 if told.is_empty() => told.push(format!("{ms} ms")),
            _ if exact && ms > 0 => told.push(format!("{seconds}.{ms:03} s")),
            1_000..10_000 if told.is_empty() && ms >= 100 => {
                told.push(format!("{seconds}.{} s", ms / 100));
            }
            1..1_000 => {}
            _ => told.push(format!("{seconds} s")),
        }
        if !exact {
            told.truncate(2);
        }
        f.write_str(&told.join(" "))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_told_in_two_units() {
        for (ms, told, exact) in [
            (0, "no time", "no time"),
            (1, "1 ms", "1 ms"),
            (999, "999 ms", "999 ms"),
            (1_000, "1 s", "1 s"),
            (2_340, "2.3 s", "2.340 s"),
            (9_950, "9.9 s", "9.950 s"),
            (59_999, "59 s", "59.999 s"),
            (60_001, "1 min", "1 min 0.001 s"),
            (150_000, "2 min 30 s", "2 min 30 s"),
            (3_600_000, "1 h", "1 h"),
            (3_601_000, "1 h 1 s", "1 h 1 s"),
            (90_061_000, "1 d 1 h", "1 d 1 h 1 min 1 s"),
            (7 * 86_400_000, "7 d", "7 d"),
        ] {
            assert_eq!(Lasting(ms).to_string(), told);
            assert_eq!(format!("{:#}", Lasting(ms)), exact);
        }
        assert_eq!(Lasting::from(Duration::from_secs(60)), Lasting(60_000));
    }
}
