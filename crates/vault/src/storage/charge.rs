//! What things on a storage node count for, and for whom.

use std::collections::BTreeMap;
use std::ops::{Add, AddAssign, SubAssign};

use assay_ledger::AccountId;

/// Bytes on the disk, and entries: a piece is one entry, a row one more than it names pieces.
///
/// A piece of one byte takes a file, an entry in a directory and some hundred bytes of memory, and
/// each digest in a row 32; who may not keep many bytes may not keep many of those either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Bytes.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
}

impl Charge {
    /// Nothing.
    pub const NONE: Charge = Charge {
        bytes: 0,
        entries: 0,
    };

    /// No bound.
    pub const ANY: Charge = Charge {
        bytes: u64::MAX,
        entries: u64::MAX,
    };

    /// A piece of this length.
    pub(super) fn piece(bytes: u64) -> Charge {
        Charge { bytes, entries: 1 }
    }

    /// A row of this length that names this many pieces.
    pub(super) fn row(bytes: u64, pieces: usize) -> Charge {
        Charge {
            bytes,
            entries: pieces as u64 + 1,
        }
    }

    /// Whether it is within a bound, in both.
    pub(super) fn fits(self, bound: Charge) -> bool {
        self.bytes <= bound.bytes && self.entries <= bound.entries
    }
}

impl Add for Charge {
    type Output = Charge;

    fn add(self, other: Charge) -> Charge {
        Charge {
            bytes: self.bytes.saturating_add(other.bytes),
            entries: self.entries.saturating_add(other.entries),
        }
    }
}

impl AddAssign for Charge {
    fn add_assign(&mut self, other: Charge) {
        *self = *self + other;
    }
}

impl SubAssign for Charge {
    fn sub_assign(&mut self, other: Charge) {
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.entries = self.entries.saturating_sub(other.entries);
    }
}

/// Charges by account; accounts without any take no room.
#[derive(Debug, Default)]
pub(super) struct Accounts(BTreeMap<AccountId, Charge>);

impl Accounts {
    pub(super) fn of(&self, account: &AccountId) -> Charge {
        self.0.get(account).copied().unwrap_or_default()
    }

    pub(super) fn charge(&mut self, account: AccountId, charge: Charge) {
        *self.0.entry(account).or_default() += charge;
    }

    pub(super) fn release(&mut self, account: AccountId, charge: Charge) {
        if let Some(kept) = self.0.get_mut(&account) {
            *kept -= charge;
            if *kept == Charge::NONE {
                self.0.remove(&account);
            }
        }
    }
}
