//! A provider's run as far as it has come, and how it is taken up again from a journal.

use std::collections::BTreeMap;

use assay_crypto::Digest;
use assay_ledger::{FileId, RunIndex, StepIndex, Terms};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::trace::Trace;

/// A provider's journal entry. The first byte of its encoding names the variant and with it the
/// version; entries that cannot be read are passed over.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Entry {
    /// The leaves of one segment's states, without the one it starts from; leaf 0 belongs to the
    /// segment before the first.
    Leaves {
        attempt: RunIndex,
        /// Segments computed once these leaves are appended.
        done: u32,
        leaves: Vec<Digest>,
    },
    /// A checkpoint that is safe in the vault.
    Stored {
        attempt: RunIndex,
        checkpoint: u32,
        file: FileId,
    },
}

impl Entry {
    pub(crate) fn attempt(&self) -> RunIndex {
        match self {
            Entry::Leaves { attempt, .. } | Entry::Stored { attempt, .. } => *attempt,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        // Serialising into memory cannot fail.
        borsh::to_vec(self).unwrap_or_default()
    }
}

/// Leaves, checkpoints and the state at hand.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) attempt: RunIndex,
    /// Leaves by the number of segments computed with them: 0 holds leaf 0 alone.
    leaves: BTreeMap<u32, Vec<Digest>>,
    /// Checkpoints in the vault; the last one is the result.
    pub(crate) stored: BTreeMap<u32, FileId>,
    /// States still to be stored.
    pub(crate) unstored: BTreeMap<u32, Vec<u8>>,
    /// The state after [`Run::done`] segments, unless the run begins or resumes.
    pub(crate) state: Option<Vec<u8>>,
    trace: Option<Trace>,
}

impl Run {
    pub(crate) fn new(attempt: RunIndex) -> Run {
        Run {
            attempt,
            ..Run::default()
        }
    }

    /// Takes a journal entry back.
    pub(crate) fn replay(&mut self, entry: Entry) {
        match entry {
            Entry::Leaves { done, leaves, .. } => {
                self.leaves.insert(done, leaves);
            }
            Entry::Stored {
                checkpoint, file, ..
            } => {
                self.stored.insert(checkpoint, file);
            }
        }
    }

    /// Forgets what lies beyond the last checkpoint up to which nothing is missing. To be called
    /// once, after the journal's last entry.
    pub(crate) fn resume(&mut self) {
        let kept = self
            .leaves
            .keys()
            .zip(self.stored.keys())
            .zip(0u32..)
            .take_while(|((leaves, stored), n)| **leaves == *n && **stored == *n)
            .count() as u32;
        self.leaves.retain(|done, _| *done < kept);
        self.stored.retain(|checkpoint, _| *checkpoint < kept);
    }

    /// Begins afresh, for instance because the last checkpoint is lost.
    pub(crate) fn restart(&mut self) {
        *self = Run::new(self.attempt);
    }

    /// Segments computed; `None` before leaf 0 is.
    pub(crate) fn done(&self) -> Option<u32> {
        self.leaves.last_key_value().map(|(done, _)| *done)
    }

    /// Takes the leaves and the last state of one more segment (of none, for the first state).
    pub(crate) fn extend(&mut self, leaves: Vec<Digest>, state: Vec<u8>) -> Entry {
        let done = self.done().map_or(0, |done| done + 1);
        self.leaves.insert(done, leaves.clone());
        self.unstored.insert(done, state.clone());
        self.state = Some(state);
        Entry::Leaves {
            attempt: self.attempt,
            done,
            leaves,
        }
    }

    /// Takes note of a stored checkpoint.
    pub(crate) fn stored(&mut self, checkpoint: u32, file: FileId) -> Entry {
        self.unstored.remove(&checkpoint);
        self.stored.insert(checkpoint, file);
        Entry::Stored {
            attempt: self.attempt,
            checkpoint,
            file,
        }
    }

    /// Whether every state is computed and every checkpoint stored.
    pub(crate) fn complete(&self, terms: &Terms) -> bool {
        self.done() == Some(terms.segments())
            && self.stored.len() as u64 == u64::from(terms.segments()) + 1
    }

    /// The whole run's trace, once all leaves are here.
    pub(crate) fn trace(&mut self, terms: &Terms) -> Option<&Trace> {
        if self.trace.is_none() {
            let leaves: Vec<Digest> = self.leaves.values().flatten().copied().collect();
            if leaves.len() as u64 == terms.steps + 1 {
                self.trace = Some(Trace::new(leaves));
            }
        }
        self.trace.as_ref()
    }

    /// Where the segment after the computed ones starts and ends.
    pub(crate) fn next(&self, terms: &Terms) -> Option<(StepIndex, StepIndex)> {
        let done = self.done()?;
        let segment = assay_ledger::SegmentIndex(done);
        (done < terms.segments())
            .then(|| (terms.segment_start(segment), terms.segment_end(segment)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u8) -> Digest {
        Digest([n; 32])
    }

    #[test]
    fn a_run_resumes_at_the_last_checkpoint_without_gaps() {
        let mut before = Run::new(RunIndex(3));
        let mut journal = vec![before.extend(vec![digest(0)], vec![0])];
        for n in 1..=4u8 {
            journal.push(before.extend(vec![digest(n), digest(n)], vec![n]));
        }
        for n in [0, 1, 2, 4] {
            journal.push(before.stored(n, FileId(digest(100 + n as u8))));
        }
        let mut after = Run::new(RunIndex(3));
        for entry in journal {
            let entry = borsh::from_slice(&entry.encode()).unwrap();
            after.replay(entry);
        }
        after.resume();
        assert_eq!(after.done(), Some(2));
        assert_eq!(after.stored.len(), 3);
        assert_eq!(after.state, None);
    }

    #[test]
    fn nothing_stored_means_nothing_done() {
        let mut run = Run::new(RunIndex(0));
        run.replay(Entry::Leaves {
            attempt: RunIndex(0),
            done: 0,
            leaves: vec![digest(1)],
        });
        run.resume();
        assert_eq!(run.done(), None);
    }

    #[test]
    fn journal_entries_keep_their_bytes() {
        let leaves = Entry::Leaves {
            attempt: RunIndex(1),
            done: 2,
            leaves: vec![digest(7)],
        };
        let mut bytes = vec![0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0];
        bytes.extend([7; 32]);
        assert_eq!(leaves.encode(), bytes);
        let stored = Entry::Stored {
            attempt: RunIndex(1),
            checkpoint: 2,
            file: FileId(digest(9)),
        };
        let mut bytes = vec![1, 1, 0, 0, 0, 2, 0, 0, 0];
        bytes.extend([9; 32]);
        assert_eq!(stored.encode(), bytes);
    }
}
