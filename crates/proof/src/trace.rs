//! The trace of a run: one leaf for each state, under one Merkle root.
//!
//! `leaf[i] = H("assay/trace/v2", i, digest of state[i], counts[i])` for `i` in `0..=steps`
//! ([`Reached::leaf`](assay_ledger::Reached::leaf)); the root of all leaves goes on the ledger, single
//! leaves are shown later with their paths.

use assay_crypto::Digest;
use assay_crypto::merkle::{Path, Tree};
use assay_ledger::StepIndex;

/// All leaves of one run with their Merkle tree.
pub struct Trace {
    leaves: Vec<Digest>,
    tree: Tree,
}

impl Trace {
    /// The tree over a whole run's leaves, first state first.
    pub fn new(leaves: Vec<Digest>) -> Trace {
        Trace {
            tree: Tree::new(leaves.clone()),
            leaves,
        }
    }

    /// The root that the ledger records.
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The leaf of one state, or `None` beyond the end of the run.
    pub fn leaf(&self, step: StepIndex) -> Option<Digest> {
        let index = usize::try_from(step.0).ok()?;
        self.leaves.get(index).copied()
    }

    /// The path of one leaf to the root, or `None` beyond the end of the run.
    pub fn path(&self, step: StepIndex) -> Option<Path> {
        self.tree.path(step.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_lies_under_the_root_at_its_own_step_only() {
        let leaves: Vec<Digest> = (0..7).map(|i| Digest::of("leaf", &[&[i as u8]])).collect();
        let trace = Trace::new(leaves.clone());
        for step in 0..7 {
            let (leaf, path) = (StepIndex(step), StepIndex(step));
            let (leaf, path) = (trace.leaf(leaf).unwrap(), trace.path(path).unwrap());
            assert_eq!(leaf, leaves[step as usize]);
            for at in 0..7 {
                let fits = path.verify(&trace.root(), at, 7, &leaf);
                assert_eq!(fits, at == step);
            }
        }
        assert_eq!(trace.path(StepIndex(7)), None);
    }
}
