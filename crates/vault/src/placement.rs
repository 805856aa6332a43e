//! Where the copies of a file go, and where they are.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Who owns it, by the ledger.
    pub owner: AccountId,
    /// Bytes it says are free.
    pub free: u64,
    /// Bytes that the free part of its bond stands for, by the ledger.
    pub bonded: u64,
}

/// Orders candidates for one file: the first `copies` hold it, the rest are spares in this order.
///
/// Nodes without room for `bytes`, by their own word or by the ledger, are left out, duplicates count
/// once. Every next node is drawn with probability proportional to its bonded room among those left,
/// from `seed` alone: the same candidates in any order and the same seed give the same answer. What a
/// node says of itself only keeps it from being drawn. No owner's second node comes before the first
/// one of every other owner, its third not before their second, and so on.
pub fn order(candidates: &[Candidate], bytes: u64, seed: Digest) -> Vec<AccountId> {
    let fits = |c: &&Candidate| c.free.min(c.bonded) >= bytes.max(1);
    let distinct: BTreeMap<AccountId, Candidate> = candidates
        .iter()
        .filter(fits)
        .map(|candidate| (candidate.node, *candidate))
        .collect();
    let mut left: Vec<Candidate> = distinct.into_values().collect();
    let mut random = Stream::new(seed, "vault/placement", 0);
    let mut ordered = Vec::with_capacity(left.len());
    let mut served = BTreeSet::new();
    while !left.is_empty() {
        let total = left
            .iter()
            .filter(|c| !served.contains(&c.owner))
            .map(|c| weight(c.bonded))
            .sum();
        if total == 0 {
            served.clear();
            continue;
        }
        let mut ticket = random.below(total);
        let mut drawn = 0;
        for (at, candidate) in left.iter().enumerate() {
            if served.contains(&candidate.owner) {
                continue;
            }
            drawn = at;
            match ticket.checked_sub(weight(candidate.bonded)) {
                Some(rest) => ticket = rest,
                None => break,
            }
        }
        let next = left.remove(drawn);
        served.insert(next.owner);
        ordered.push(next.node);
    }
    ordered
}

/// Room as a lottery weight: mebibytes, at least one and at most 2^40 (an exbibyte), so that no bond
/// overflows the total of a million nodes.
fn weight(bonded: u64) -> u64 {
    (bonded >> 20).clamp(1, 1 << 40)
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
