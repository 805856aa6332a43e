//! The transactions of one sender, and what their places are worth.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use assay_ledger::{AccountId, Amount, LedgerTime, Moment, OrderId, Turn};

use super::pending::{Pending, Price};

/// The place of a move in the reserved share.
pub(super) type Slot = (OrderId, AccountId, Option<AccountId>);

pub(super) fn slot(turn: &Turn) -> Slot {
    (turn.order, turn.by, turn.grantee)
}

/// Where a move stands among those that have a place: the least goes first.
///
/// Time left counts in powers of two, so that among moves with about as much of it those go first whose
/// orders hold the most: their number is bounded by money, not by how many orders somebody posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    left: u32,
    stake: Reverse<Amount>,
    deadline: Moment,
}

pub(super) fn rank(turn: &Turn, now: LedgerTime, urgent_ms: u64) -> Rank {
    let left = turn.deadline.time.0.saturating_sub(now.0);
    let times = left.checked_div(urgent_ms);
    Rank {
        left: times.map_or(0, |times| u64::BITS - times.leading_zeros()),
        stake: Reverse(times.map_or(Amount::ZERO, |_| turn.stake)),
        deadline: turn.deadline,
    }
}

pub(super) struct Entry {
    pub(super) pending: Pending,
    pub(super) arrival: u64,
    pub(super) height: u64,
    /// The least price from the front of the run to here: nothing goes before what it stands
    /// behind, so this is what its place is worth.
    pub(super) worth: Price,
    /// Its slot is taken by it.
    pub(super) reserved: bool,
}

impl Entry {
    pub(super) fn bytes(&self) -> usize {
        self.pending.encoded.len()
    }
}

/// One sender's transactions by nonce, without a gap.
#[derive(Default)]
pub(super) struct Run(pub(super) BTreeMap<u64, Entry>);

impl Run {
    pub(super) fn fees(&self) -> u128 {
        self.0
            .values()
            .map(|entry| u128::from(entry.pending.fee.0))
            .sum()
    }

    /// Computes again what each place is worth; a reserved one is not for sale.
    pub(super) fn appraise(&mut self) {
        let mut least = Price(u64::MAX);
        for entry in self.0.values_mut() {
            if !entry.reserved {
                least = least.min(entry.pending.price());
            }
            entry.worth = least;
        }
    }

    /// The last transaction, if its place is for sale.
    pub(super) fn tail(&self) -> Option<(u64, &Entry)> {
        let (nonce, entry) = self.0.last_key_value()?;
        (!entry.reserved).then_some((*nonce, entry))
    }
}

/// Where evictions begin: the least worth, and of equal ones the latest.
pub(super) type Tail = (Price, std::cmp::Reverse<u64>, AccountId, u64);

pub(super) fn tail(sender: AccountId, nonce: u64, entry: &Entry) -> Tail {
    (entry.worth, std::cmp::Reverse(entry.arrival), sender, nonce)
}

/// The least fee that replaces a waiting transaction by one of so many bytes: a tenth more, in all
/// and for each byte, so that nobody makes the network pass the same place on for nothing.
pub(super) fn replacement(old: &Entry, bytes: usize) -> Amount {
    let (fee, price) = (old.pending.fee.0, old.pending.price().0);
    let by_fee = fee.saturating_add(fee.div_ceil(10).max(1));
    // Rounded down: prices are, too.
    let below = price.saturating_add((price / 10).max(1)) - 1;
    Amount(by_fee.max(Price(below).beaten_by(bytes).0))
}
