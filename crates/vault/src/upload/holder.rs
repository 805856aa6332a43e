//! One node that is to hold the file, and what it has so far.

use std::collections::BTreeSet;

use assay_ledger::AccountId;

use crate::time::Millis;

/// How far one holder is.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) node: AccountId,
    pub(super) slices: Progress,
    pub(super) manifest: bool,
    pub(super) committed: bool,
    /// Slices from here to `ask_until` are asked about before they are sent.
    pub(super) ask_from: u32,
    pub(super) ask_until: u32,
    /// Failures since the last success.
    pub(super) failures: u32,
    /// Left alone until then.
    pub(super) not_before: Millis,
}

impl Holder {
    /// A holder that may already have the first `maybe` slices.
    pub(super) fn new(node: AccountId, maybe: u32) -> Self {
        Self {
            node,
            slices: Progress::default(),
            manifest: false,
            committed: false,
            ask_from: 0,
            ask_until: maybe,
            failures: 0,
            not_before: Millis::default(),
        }
    }

    /// Believes nothing it said before: every slice is asked about again.
    pub(super) fn doubt(&mut self, slices: u32) {
        self.slices = Progress::default();
        self.manifest = false;
        self.committed = false;
        self.ask_from = 0;
        self.ask_until = slices;
    }

    pub(super) fn is_asking(&self) -> bool {
        self.ask_from < self.ask_until
    }
}

/// A set of slice indices that fills up roughly from the bottom; small whatever the file.
#[derive(Debug, Default)]
pub(super) struct Progress {
    below: u32,
    above: BTreeSet<u32>,
}

impl Progress {
    pub(super) fn insert(&mut self, index: u32) {
        if index >= self.below {
            self.above.insert(index);
        }
        while self.above.remove(&self.below) {
            self.below += 1;
        }
    }

    pub(super) fn contains(&self, index: u32) -> bool {
        index < self.below || self.above.contains(&index)
    }

    /// The lowest index that is missing.
    pub(super) fn first_missing(&self) -> u32 {
        self.below
    }
}
