//! The job that everybody does here: a hash chain, so that thousands of orders take seconds.
//!
//! State 0 follows from the run's seed, and each state from the one before it. What it stands for is
//! told apart from what it takes: a step costs whoever computes it what a step of a real job would.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_crypto::merkle::{Path, Tree};
use assay_crypto::tiles::Tiled;
use assay_ledger::{Counts, Leaf, Opening, Reached, SegmentIndex, StepIndex, Taken, Terms};

/// Where a run begins.
pub(crate) fn first(seed: &Digest) -> Reached {
    Reached {
        state: stored(Digest::of("assay/market/first/v1", &[&seed.0])),
        counts: Counts::default(),
    }
}

/// What a step makes of a state.
pub(crate) fn next(before: &Reached, step: StepIndex) -> Reached {
    let parts: [&[u8]; 2] = [&before.state.root.0, &step.0.to_le_bytes()];
    counted(before, Digest::of("assay/market/step/v1", &parts))
}

/// What somebody says that a step made of a state, without having computed it.
pub(crate) fn made_up(before: &Reached, step: StepIndex) -> Reached {
    let parts: [&[u8]; 2] = [&before.state.root.0, &step.0.to_le_bytes()];
    counted(before, Digest::of("assay/market/made up/v1", &parts))
}

fn counted(before: &Reached, state: Digest) -> Reached {
    let mut counts = before.counts;
    counts.add(Taken::Valid);
    let state = stored(state);
    Reached { state, counts }
}

/// A state, of which nobody stores anything.
fn stored(root: Digest) -> Tiled {
    Tiled { length: 1, root }
}

/// The states from one that is known, up to a step.
pub(crate) fn replay(from: &Leaf, begin: Reached, until: StepIndex) -> Vec<Reached> {
    let mut reached = vec![begin];
    let mut last = begin;
    for step in from.step.0 + 1..=until.0 {
        last = next(&last, StepIndex(step));
        reached.push(last);
    }
    reached
}

/// A run: every state that its provider says it passed through.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    reached: Vec<Reached>,
    tree: Tree,
}

impl Trace {
    /// The run of somebody who computes every step but those of the faked segments, which are made up;
    /// and the number of steps computed.
    pub(crate) fn new(
        seed: &Digest,
        terms: &Terms,
        faked: &BTreeSet<SegmentIndex>,
    ) -> (Trace, u64) {
        let mut reached = vec![first(seed)];
        let (mut last, mut computed) = (first(seed), 0);
        for step in (1..=terms.steps).map(StepIndex) {
            last = match faked.contains(&terms.segment_of(step)) {
                true => made_up(&last, step),
                false => {
                    computed += 1;
                    next(&last, step)
                }
            };
            reached.push(last);
        }
        let leaves = (0..).zip(&reached);
        let leaves = leaves.map(|(step, reached)| reached.leaf(StepIndex(step)));
        let tree = Tree::new(leaves.collect());
        (Trace { reached, tree }, computed)
    }

    /// What it commits to.
    pub(crate) fn root(&self) -> Digest {
        self.tree.root()
    }

    /// What its steps came to.
    pub(crate) fn counts(&self) -> Counts {
        self.reached
            .last()
            .map(|reached| reached.counts)
            .unwrap_or_default()
    }

    /// The state after a step.
    pub(crate) fn at(&self, step: StepIndex) -> Option<Reached> {
        self.reached.get(usize::try_from(step.0).ok()?).copied()
    }

    /// Its leaf after a step.
    pub(crate) fn leaf(&self, step: StepIndex) -> Digest {
        self.at(step)
            .map_or(Digest::ZERO, |reached| reached.leaf(step))
    }

    /// From that leaf up to the root.
    pub(crate) fn path(&self, step: StepIndex) -> Path {
        self.tree.path(step.0).unwrap_or_else(|| Path(Vec::new()))
    }

    /// The leaves after these steps, each shown to be under the root.
    pub(crate) fn openings(&self, steps: &[StepIndex]) -> Vec<Opening> {
        let opening = |step: &StepIndex| {
            Some(Opening {
                step: *step,
                reached: self.at(*step)?,
                path: self.path(*step),
            })
        };
        steps.iter().filter_map(opening).collect()
    }
}
