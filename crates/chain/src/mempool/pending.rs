//! What waits, what it offers, and the bounds of the pool.

use std::sync::Arc;

use assay_ledger::{AccountId, Amount, Turn, TxId};

/// Bounds of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of the market.
    pub(crate) market: Room,
    /// Of the reserved share.
    pub(crate) reserved: Room,
    /// Transactions of one sender.
    pub(crate) per_sender: usize,
    /// Blocks after which a waiting transaction is dropped.
    pub(crate) patience: u64,
    /// Moves with at most so much time left, in milliseconds, are ranked by what their orders hold;
    /// with 0 all are ranked by time alone.
    pub(crate) urgent_ms: u64,
}

/// Transactions, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) transactions: usize,
    pub(crate) bytes: usize,
}

impl Room {
    pub(super) fn add(&mut self, bytes: usize) {
        self.transactions += 1;
        self.bytes += bytes;
    }

    pub(super) fn sub(&mut self, bytes: usize) {
        self.transactions = self.transactions.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Whether one more of this length stays within `limit`.
    pub(super) fn takes(self, bytes: usize, limit: Room) -> bool {
        self.transactions < limit.transactions && self.bytes + bytes <= limit.bytes
    }
}

pub(crate) const LIMITS: Limits = Limits {
    market: Room {
        transactions: 24_576,
        bytes: 48 * 1024 * 1024,
    },
    reserved: Room {
        transactions: 8_192,
        bytes: 16 * 1024 * 1024,
    },
    per_sender: 16,
    patience: 300,
    // Twice the time that whoever is asked has to answer.
    urgent_ms: 60_000,
};

/// Micro-tokens for 2^20 bytes: what transactions are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Price(pub(super) u64);

impl Price {
    const SCALE: u128 = 1 << 20;

    pub(super) fn of(fee: Amount, bytes: usize) -> Price {
        let price = u128::from(fee.0) * Self::SCALE / (bytes.max(1) as u128);
        Price(u64::try_from(price).unwrap_or(u64::MAX))
    }

    /// The least fee at which so many bytes rank above this price.
    pub(super) fn beaten_by(self, bytes: usize) -> Amount {
        let fee = (u128::from(self.0) + 1) * bytes as u128;
        Amount(u64::try_from(fee.div_ceil(Self::SCALE)).unwrap_or(u64::MAX))
    }
}

/// A transaction that passed the checks of [`crate::admit::admit`].
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) id: TxId,
    pub(crate) sender: AccountId,
    pub(crate) nonce: u64,
    pub(crate) fee: Amount,
    pub(crate) encoded: Arc<Vec<u8>>,
    /// What its call costs a block.
    pub(crate) cost: u32,
    /// The move it makes, if an order waits for it.
    pub(crate) turn: Option<Turn>,
}

impl Pending {
    pub(super) fn price(&self) -> Price {
        Price::of(self.fee, self.encoded.len())
    }
}

/// Why the pool did not take a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Others pay more for their places; this fee would do.
    Full {
        fee: Amount,
    },
    /// Its own fee would do, but one of the same sender that has to go before it pays too little.
    Behind,
    /// The sender has as many waiting as it may.
    SenderFull,
    NonceUsed,
    /// One before it is missing; this nonce comes next.
    Gap {
        expected: u64,
    },
    /// Another transaction with this nonce is waiting; this fee would replace it.
    NonceTaken {
        fee: Amount,
    },
    /// The fees of the sender's waiting transactions would add up to more than it has.
    Unaffordable {
        sum: Amount,
        balance: Amount,
    },
    /// The very same transaction is already waiting.
    Duplicate,
}
