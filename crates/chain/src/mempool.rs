//! Transactions waiting for a block: bounded, in nonce order per sender, first come first served.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use assay_ledger::{AccountId, TxId};

use crate::block::{Block, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};

/// Bounds of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) transactions: usize,
    pub(crate) bytes: usize,
    pub(crate) per_sender: usize,
    /// How far above the account's next nonce a transaction may be.
    pub(crate) nonce_ahead: u64,
    /// Blocks after which a waiting transaction is dropped.
    pub(crate) patience: u64,
}

pub(crate) const LIMITS: Limits = Limits {
    transactions: 32_768,
    bytes: 64 * 1024 * 1024,
    per_sender: 4_096,
    nonce_ahead: 4_096,
    patience: 3_000,
};

/// A transaction that passed the checks of [`crate::execute::admit`].
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) id: TxId,
    pub(crate) sender: AccountId,
    pub(crate) nonce: u64,
    pub(crate) encoded: Arc<Vec<u8>>,
}

/// Why the pool did not take a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    SenderFull,
    NonceUsed,
    NonceTooFar,
    /// Another transaction with this nonce is already waiting.
    NonceTaken,
    /// The very same transaction is already waiting.
    Duplicate,
}

struct Entry {
    pending: Pending,
    arrival: u64,
    height: u64,
}

pub(crate) struct Mempool {
    limits: Limits,
    senders: HashMap<AccountId, BTreeMap<u64, Entry>>,
    ids: HashSet<TxId>,
    bytes: usize,
    arrivals: u64,
}

impl Mempool {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            senders: HashMap::new(),
            ids: HashSet::new(),
            bytes: 0,
            arrivals: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn contains(&self, id: &TxId) -> bool {
        self.ids.contains(id)
    }

    /// Takes `pending` at block height `height`; `next_nonce` is what its account expects now.
    pub(crate) fn insert(
        &mut self,
        pending: Pending,
        next_nonce: u64,
        height: u64,
    ) -> Result<(), Refusal> {
        if self.ids.contains(&pending.id) {
            return Err(Refusal::Duplicate);
        }
        if pending.nonce < next_nonce {
            return Err(Refusal::NonceUsed);
        }
        if pending.nonce - next_nonce > self.limits.nonce_ahead {
            return Err(Refusal::NonceTooFar);
        }
        let length = pending.encoded.len();
        if self.ids.len() >= self.limits.transactions || self.bytes + length > self.limits.bytes {
            return Err(Refusal::Full);
        }
        let waiting = self.senders.entry(pending.sender).or_default();
        if waiting.contains_key(&pending.nonce) {
            return Err(Refusal::NonceTaken);
        }
        if waiting.len() >= self.limits.per_sender {
            return Err(Refusal::SenderFull);
        }
        self.arrivals += 1;
        self.bytes += length;
        self.ids.insert(pending.id);
        waiting.insert(
            pending.nonce,
            Entry {
                pending,
                arrival: self.arrivals,
                height,
            },
        );
        Ok(())
    }

    /// Whether [`Self::select`] would give anything.
    pub(crate) fn has_next(&self, next_nonce: impl Fn(&AccountId) -> Option<u64>) -> bool {
        self.senders.iter().any(|(sender, waiting)| {
            next_nonce(sender).is_some_and(|next| waiting.contains_key(&next))
        })
    }

    /// The transactions a block on a state with these nonces can take: whole runs from each
    /// sender's next nonce, senders by the arrival of their first, within the block limits.
    pub(crate) fn select(&self, next_nonce: impl Fn(&AccountId) -> Option<u64>) -> Vec<Pending> {
        let mut runs: Vec<(u64, u64, &BTreeMap<u64, Entry>)> = self
            .senders
            .iter()
            .filter_map(|(sender, waiting)| {
                let next = next_nonce(sender)?;
                waiting
                    .get(&next)
                    .map(|first| (first.arrival, next, waiting))
            })
            .collect();
        runs.sort_by_key(|(arrival, ..)| *arrival);
        let mut chosen = Vec::new();
        let mut bytes = Block::EMPTY_BYTES;
        for (_, first, waiting) in runs {
            for (expected, (nonce, entry)) in (first..).zip(waiting.range(first..)) {
                let cost = Block::transaction_cost(entry.pending.encoded.len());
                if *nonce != expected || bytes + cost > MAX_BLOCK_BYTES {
                    break;
                }
                if chosen.len() >= MAX_BLOCK_TRANSACTIONS {
                    return chosen;
                }
                bytes += cost;
                chosen.push(entry.pending.clone());
            }
        }
        chosen
    }

    /// Drops one transaction, for instance one that turned out not to be executable.
    pub(crate) fn remove(&mut self, sender: &AccountId, nonce: u64) {
        if let Some(waiting) = self.senders.get_mut(sender) {
            if let Some(entry) = waiting.remove(&nonce) {
                self.bytes -= entry.pending.encoded.len();
                self.ids.remove(&entry.pending.id);
            }
            if waiting.is_empty() {
                self.senders.remove(sender);
            }
        }
    }

    /// After block `height` became final: drops what `next_nonce` says is used up and what has
    /// waited too long.
    pub(crate) fn settle(&mut self, height: u64, next_nonce: impl Fn(&AccountId) -> Option<u64>) {
        let oldest = height.saturating_sub(self.limits.patience);
        let (ids, bytes) = (&mut self.ids, &mut self.bytes);
        self.senders.retain(|sender, waiting| {
            let next = next_nonce(sender).unwrap_or_default();
            waiting.retain(|nonce, entry| {
                let keep = *nonce >= next && entry.height >= oldest;
                if !keep {
                    *bytes -= entry.pending.encoded.len();
                    ids.remove(&entry.pending.id);
                }
                keep
            });
            !waiting.is_empty()
        });
    }

    /// Up to `limit` waiting transactions, oldest first, for sending to peers again.
    pub(crate) fn oldest(&self, limit: usize) -> Vec<Pending> {
        let mut entries: Vec<&Entry> = self.senders.values().flat_map(BTreeMap::values).collect();
        entries.sort_by_key(|entry| entry.arrival);
        entries
            .into_iter()
            .take(limit)
            .map(|entry| entry.pending.clone())
            .collect()
    }
}
