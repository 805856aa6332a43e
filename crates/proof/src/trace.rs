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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_opens_under_the_root_at_its_own_step_only() {
        let leaves: Vec<Digest> = (0..7)
            .map(|i| leaf(StepIndex(i), Digest::of("state", &[&[i as u8]])))
            .collect();
        let trace = Trace::new(leaves.clone());
        for step in 0..7 {
            let opening = trace.opening(StepIndex(step)).unwrap();
            assert_eq!(opening.leaf, leaves[step as usize]);
            for at in 0..7 {
                let fits = opening.path.verify(&trace.root(), at, 7, &opening.leaf);
                assert_eq!(fits, at == step);
            }
        }
        assert_eq!(trace.opening(StepIndex(7)), None);
    }

    #[test]
    fn equal_states_at_different_steps_have_different_leaves() {
        let state = Digest::of("state", &[]);
        assert_ne!(leaf(StepIndex(1), state), leaf(StepIndex(2), state));
    }

    #[test]
    fn leaves_keep_their_bytes() {
        assert_eq!(
            leaf(StepIndex(1), Digest([2; 32])).to_string(),
            "ff8b2d04c818f55ea4aff0eac12f9f3bbe694890a2c8008ce3648c8ce89a7455"
        );
    }
}
