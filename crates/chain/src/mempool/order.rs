//! The order in which waiting transactions go: into blocks, and to peers again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use assay_ledger::AccountId;

use super::Mempool;
use super::pending::{Pending, Price};
use super::run::Entry;
use crate::block::{Block, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};

/// The share of a block that moves may fill before the market has had its turn, as a divisor.
const SHARE_OF_MOVES: usize = 2;

/// A block being filled.
struct Filling {
    chosen: Vec<Pending>,
    bytes: usize,
    cost: u64,
    most_cost: u64,
}

impl Filling {
    /// Adds a transaction if the block stays within a share of its limits.
    fn add(&mut self, entry: &Entry, divisor: usize) -> bool {
        let bytes = Block::transaction_cost(entry.bytes());
        let cost = self.cost + u64::from(entry.pending.cost);
        let fits = self.bytes + bytes <= MAX_BLOCK_BYTES / divisor
            && cost <= self.most_cost / divisor as u64
            && self.chosen.len() < MAX_BLOCK_TRANSACTIONS / divisor;
        if fits {
            self.bytes += bytes;
            self.cost = cost;
            self.chosen.push(entry.pending.clone());
        }
        fits
    }
}

impl Mempool {
    /// Whether [`Self::select`] would give anything.
    pub(crate) fn has_next(&self, next_nonce: impl Fn(&AccountId) -> Option<u64>) -> bool {
        self.runs
            .iter()
            .any(|(sender, run)| next_nonce(sender).is_some_and(|next| run.0.contains_key(&next)))
    }

    /// The transactions that a block on a state with these nonces can take, within its limits, in
    /// an order in which it can hold them; `None` for a nonce that is not known. Their calls cost at
    /// most `most_cost` together.
    pub(crate) fn select(
        &self,
        most_cost: u32,
        next_nonce: impl Fn(&AccountId) -> Option<u64>,
    ) -> Vec<Pending> {
        let mut block = Filling {
            chosen: Vec::new(),
            bytes: Block::EMPTY_BYTES,
            cost: 0,
            most_cost: most_cost.into(),
        };
        let mut moved = HashSet::new();
        self.moves_into(&mut block, &mut moved, &next_nonce, SHARE_OF_MOVES);
        self.market_into(&mut block, &moved, &next_nonce);
        self.moves_into(&mut block, &mut moved, &next_nonce, 1);
        block.chosen
    }

    /// Moves, the most urgent first. A move is the first of its sender's run.
    fn moves_into(
        &self,
        block: &mut Filling,
        moved: &mut HashSet<AccountId>,
        next_nonce: &impl Fn(&AccountId) -> Option<u64>,
        divisor: usize,
    ) {
        for sender in self.moves.values() {
            if moved.contains(sender) {
                continue;
            }
            let Some(next) = next_nonce(sender) else {
                continue;
            };
            let entry = self.runs.get(sender).and_then(|run| run.0.get(&next));
            if let Some(entry) = entry.filter(|entry| entry.reserved) {
                if !block.add(entry, divisor) {
                    return;
                }
                moved.insert(*sender);
            }
        }
    }

    /// The rest, the highest price first, each sender's in the order of their nonces.
    fn market_into(
        &self,
        block: &mut Filling,
        moved: &HashSet<AccountId>,
        next_nonce: &impl Fn(&AccountId) -> Option<u64>,
    ) {
        // A sender enters with the best price of its run, which its next transaction cannot
        // exceed; only when its turn comes is its nonce looked up, and its true price known.
        let best = |sender: &AccountId| {
            let run = &self.runs.get(sender)?.0;
            run.values()
                .filter(|entry| !entry.reserved)
                .map(|entry| entry.pending.price())
                .max()
        };
        let mut turns: BinaryHeap<(Price, Reverse<u64>, AccountId, Option<u64>)> = self
            .runs
            .iter()
            .filter_map(|(sender, run)| {
                let (_, first) = run.0.first_key_value()?;
                Some((best(sender)?, Reverse(first.arrival), *sender, None))
            })
            .collect();
        while let Some((_, _, sender, nonce)) = turns.pop() {
            let Some(run) = self.runs.get(&sender) else {
                continue;
            };
            let next = match nonce {
                Some(nonce) => {
                    let Some(entry) = run.0.get(&nonce) else {
                        continue;
                    };
                    // One that does not fit ends its sender's run; shorter ones may still fit.
                    if !block.add(entry, 1) {
                        if block.chosen.len() >= MAX_BLOCK_TRANSACTIONS {
                            return;
                        }
                        continue;
                    }
                    Some(nonce + 1)
                }
                None => next_nonce(&sender).map(|next| next + u64::from(moved.contains(&sender))),
            };
            let Some(next) = next else { continue };
            // A move that found no room holds up what stands behind it.
            let entry = run.0.get(&next).filter(|entry| !entry.reserved);
            if let Some(entry) = entry {
                let price = entry.pending.price();
                turns.push((price, Reverse(entry.arrival), sender, Some(next)));
            }
        }
    }

    /// Up to `limit` waiting transactions, those first that a block would take first, for sending
    /// to peers again.
    pub(crate) fn foremost(&self, limit: usize) -> Vec<Pending> {
        let front = |sender: &AccountId| Some(*self.runs.get(sender)?.0.first_key_value()?.0);
        let mut chosen = self.select(u32::MAX, front);
        chosen.truncate(limit);
        chosen
    }
}
