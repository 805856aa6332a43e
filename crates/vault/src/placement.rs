//! Where the copies of a file go, and where they are.

use std::collections::BTreeMap;

use assay_crypto::{Digest, stream::Stream};
use assay_ledger::AccountId;
use borsh::{BorshDeserialize, BorshSerialize};

/// How a file is made redundant; the manifest names it, so a reader knows what a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Coding {
    /// Every holder keeps every slice whole.
    Replicated {
        /// How many holders there were when the file was written.
        copies: u8,
    },
}

/// Which nodes hold which slice of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// How slices became pieces.
    pub coding: Coding,
    /// The nodes, in the order of the ledger record.
    pub nodes: Vec<AccountId>,
}

impl Placement {
    /// Nodes that should answer for slice `index`.
    pub fn holders(&self, _index: u32) -> &[AccountId] {
        match self.coding {
            Coding::Replicated { .. } => &self.nodes,
        }
    }
}

/// A storage node that might hold a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its account.
    pub node: AccountId,
    /// Bytes it says are free.
    pub free: u64,
}

/// Orders candidates for one file: the first `copies` hold it, the rest are spares in this order.
///
/// Nodes without room for `bytes` are left out, duplicates count once. Every next node is drawn
/// with probability proportional to its free space among those left, from `seed` alone: the same
/// candidates in any order and the same seed give the same answer.
pub fn order(candidates: &[Candidate], bytes: u64, seed: Digest) -> Vec<AccountId> {
    let distinct: BTreeMap<AccountId, u64> = candidates
        .iter()
        .filter(|c| c.free >= bytes.max(1))
        .map(|c| (c.node, c.free))
        .collect();
    let mut left: Vec<(AccountId, u64)> = distinct
        .into_iter()
        .map(|(node, free)| (node, weight(free)))
        .collect();
    let mut random = Stream::new(seed, "vault/placement", 0);
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let total = left.iter().map(|(_, weight)| weight).sum();
        let mut ticket = random.below(total);
        let drawn = left
            .iter()
            .position(|(_, weight)| match ticket.checked_sub(*weight) {
                Some(rest) => {
                    ticket = rest;
                    false
                }
                None => true,
            })
            .unwrap_or(left.len() - 1);
        ordered.push(left.remove(drawn).0);
    }
    ordered
}

/// Free space as a lottery weight: mebibytes, at least one and at most 2^40 (an exbibyte), so that
/// a node which lies about its space cannot overflow the total of a million nodes.
fn weight(free: u64) -> u64 {
    (free >> 20).clamp(1, 1 << 40)
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
