//! How far this machine's clock is from the other validators', by the times of their proposals.
//!
//! A leader stamps its block with its own clock, and the block is here a moment later. What is
//! kept for each leader is the smallest difference among its last few proposals, so that a
//! message that was late, or a machine that was busy, does not look like a clock that is off.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use assay_crypto::PublicKey;

/// Proposals of one leader that are looked at.
const KEPT: usize = 4;

/// Differences between clocks in milliseconds, positive where ours is ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockReport {
    /// Our clock less the middle one of the others'; `None` before enough was heard.
    pub own_ms: Option<i64>,
    /// For every leader heard, our clock less its.
    pub leaders: Vec<(PublicKey, i64)>,
}

/// What was heard, by leader.
#[derive(Debug, Default)]
pub struct Clocks(Mutex<BTreeMap<PublicKey, VecDeque<i64>>>);

impl Clocks {
    /// Notes a proposal of `leader` that came at `now_ms` and is stamped `timestamp_ms`.
    pub fn note(&self, leader: PublicKey, now_ms: u64, timestamp_ms: u64) {
        let ahead = i128::from(now_ms) - i128::from(timestamp_ms);
        let ahead = ahead.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = heard.entry(leader).or_default();
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(ahead);
    }

    /// What the proposals so far say.
    pub fn report(&self) -> ClockReport {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A message can only be late, which makes our clock look ahead of its sender's.
        let promptest = |last: &VecDeque<i64>| last.iter().copied().min();
        let leaders: Vec<_> = heard
            .iter()
            .filter_map(|(leader, last)| Some((*leader, promptest(last)?)))
            .collect();
        let mut sorted: Vec<i64> = leaders.iter().map(|(_, ms)| *ms).collect();
        sorted.sort_unstable();
        // Of two middle ones the one that accuses less.
        let middle = [sorted.len().saturating_sub(1) / 2, sorted.len() / 2];
        let middle = middle.into_iter().filter_map(|at| sorted.get(at).copied());
        ClockReport {
            own_ms: middle.min_by_key(|ms| ms.unsigned_abs()),
            leaders,
        }
    }
}
