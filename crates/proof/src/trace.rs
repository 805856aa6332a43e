//! The trace of a run: one leaf for each state, under one Merkle root.
//!
//! `leaf[i] = H("assay/trace/v1", i, digest(state[i]))` for `i` in `0..=steps`; the root of all
//! leaves goes on the ledger, single leaves are opened later with their paths.

use assay_crypto::Digest;
use assay_crypto::merkle::Tree;
use assay_ledger::{Opening, StepIndex};

/// Binds a state's digest to its place in the run.
pub fn leaf(step: StepIndex, state: Digest) -> Digest {
    Digest::of("assay/trace/v1", &[&step.0.to_le_bytes(), &state.0])
}

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

    /// One leaf with its path to the root, or `None` beyond the end of the run.
    pub fn opening(&self, step: StepIndex) -> Option<Opening> {
        let leaf = self.leaf(step)?;
        Some(Opening {
            step,
            leaf,
            path: self.tree.path(step.0)?,
        })
    }
}
