//! A provider's run as far as it has come, and how it is taken up again from a journal.

use std::collections::BTreeMap;

use assay_crypto::Digest;
use assay_ledger::{Counts, FileId, Opening, Reached, RunIndex, StepIndex, Taken, Terms};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::trace::Trace;
use crate::work::WorkDone;

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
        /// What the last of them is made of.
        last: Reached,
        /// The first invalid step among them.
        first_invalid: Option<StepIndex>,
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

/// The leaves of one segment.
struct Part {
    leaves: Vec<Digest>,
    /// What the last of them is made of.
    last: Reached,
    /// The first invalid step among them.
    first_invalid: Option<StepIndex>,
}

/// Leaves, checkpoints and the state at hand.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) attempt: RunIndex,
    /// Leaves by the number of segments computed with them: 0 holds leaf 0 alone.
    leaves: BTreeMap<u32, Part>,
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
            Entry::Leaves {
                done,
                leaves,
                last,
                first_invalid,
                ..
            } => {
                let part = Part {
                    leaves,
                    last,
                    first_invalid,
                };
                self.leaves.insert(done, part);
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

    /// Takes the work of one more segment (of none, for the first state).
    pub(crate) fn extend(&mut self, work: WorkDone) -> Entry {
        let first_done = self.done();
        let done = first_done.map_or(0, |done| done + 1);
        // The leaf it starts from belongs to the segment before it.
        let leaves = match first_done {
            None => work.leaves,
            Some(_) => work.leaves.get(1..).unwrap_or_default().to_vec(),
        };
        let mut reports = work.reports.iter();
        let invalid = reports.find(|report| report.taken == Taken::Invalid);
        let entry = Entry::Leaves {
            attempt: self.attempt,
            done,
            leaves,
            last: work.last,
            first_invalid: invalid.map(|report| report.step),
        };
        self.replay(entry.clone());
        self.unstored.insert(done, work.state.clone());
        self.state = Some(work.state);
        entry
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
            let parts = self.leaves.values().flat_map(|part| &part.leaves);
            let leaves: Vec<Digest> = parts.copied().collect();
            if leaves.len() as u64 == terms.steps + 1 {
                self.trace = Some(Trace::new(leaves));
            }
        }
        self.trace.as_ref()
    }

    /// What the steps computed so far came to, and the first invalid one among them.
    pub(crate) fn counts(&self) -> Option<(Counts, Option<StepIndex>)> {
        let (_, last) = self.leaves.last_key_value()?;
        let first_invalid = self.leaves.values().find_map(|part| part.first_invalid);
        Some((last.last.counts, first_invalid))
    }

    /// The leaf where a segment ends, with all that shows it to be the trace's; for 0 the first.
    pub(crate) fn opening(&mut self, terms: &Terms, step: StepIndex) -> Option<Opening> {
        let path = self.trace(terms)?.path(step)?;
        let done = match step.0 {
            0 => 0,
            _ => terms.segment_of(step).0.checked_add(1)?,
        };
        let reached = self.leaves.get(&done)?.last;
        Some(Opening {
            step,
            reached,
            path,
        })
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
    use assay_crypto::tiles::Tiled;

    use super::*;

    fn digest(n: u8) -> Digest {
        Digest([n; 32])
    }

    fn reached(n: u8) -> Reached {
        Reached {
            state: Tiled {
                length: 1,
                root: digest(n),
            },
            counts: Counts::default(),
        }
    }

    fn done(leaves: Vec<Digest>, n: u8) -> WorkDone {
        WorkDone {
            leaves,
            last: reached(n),
            state: vec![n],
            reports: Vec::new(),
        }
    }

    #[test]
    fn a_run_resumes_at_the_last_checkpoint_without_gaps() {
        let mut before = Run::new(RunIndex(3));
        let mut journal = vec![before.extend(done(vec![digest(0)], 0))];
        for n in 1..=4u8 {
            journal.push(before.extend(done(vec![digest(n - 1), digest(n), digest(n)], n)));
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
            last: reached(1),
            first_invalid: None,
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
            last: reached(8),
            first_invalid: Some(StepIndex(5)),
        };
        let mut bytes = vec![0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0];
        bytes.extend([7; 32]);
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([8; 32]);
        bytes.extend([0; Counts::BYTES]);
        bytes.extend([1, 5, 0, 0, 0, 0, 0, 0, 0]);
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
