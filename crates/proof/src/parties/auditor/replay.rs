//! An auditor's replay of the drawn segments, stretch by stretch.

use std::collections::BTreeMap;

use assay_crypto::Digest;
use assay_ledger::{Order, Run, SegmentIndex, StepIndex};

use crate::desk::Desk;
use crate::keys::ReaderKeys;
use crate::party::{Ask, Tag, What};
use crate::program::Task;
use crate::view::View;
use crate::work::{Start, Work, WorkDone};

/// End leaves by segment, ascending; `None` where the replay could not begin.
pub(super) type Found = Vec<(SegmentIndex, Option<Digest>)>;

/// What was replayed so far.
#[derive(Default)]
pub(super) struct Replay {
    /// Leaf 0 from the specification, once known; `Some(None)` if it cannot be computed.
    pub(super) initial: Option<Option<Digest>>,
    stretches: Vec<Stretch>,
    found: BTreeMap<SegmentIndex, Option<Digest>>,
    leaves: BTreeMap<SegmentIndex, Vec<Digest>>,
}

/// Neighbouring segments, replayed in one go.
struct Stretch {
    last: SegmentIndex,
    /// The segment to replay next.
    next: SegmentIndex,
    /// The leaf that the replay's first state must have, until it was checked.
    first_leaf: Option<Digest>,
    /// The state at the start of `next`.
    start: Option<Start>,
}

impl Replay {
    /// Lays out the stretches, once the starts are open.
    pub(super) fn plan(&mut self, order: &Order, run: &Run) {
        if !self.stretches.is_empty() {
            return;
        }
        for (first, last) in run.stretches() {
            let step = order.head.terms.segment_start(first);
            self.stretches.push(Stretch {
                last,
                next: first,
                first_leaf: run.opened(step),
                // State 0 comes from the specification, never from the provider.
                start: (step == StepIndex(0)).then_some(Start::Initial),
            });
        }
    }

    /// Asks for whatever is to be had next.
    pub(super) fn go_on(
        &mut self,
        view: &View,
        run: &Run,
        (keys, task): (&ReaderKeys, &Task),
        desk: &mut Desk,
    ) {
        let (terms, now) = (&view.order.head.terms, view.height);
        if self.initial.is_none() {
            desk.ask(tag(view, What::First), now, || {
                Some(Ask::Work(Box::new(Work {
                    task: task.clone(),
                    start: Start::Initial,
                    from: StepIndex(0),
                    to: StepIndex(0),
                })))
            });
        }
        let mut blocked = Vec::new();
        for stretch in self.stretches.iter().filter(|s| s.next <= s.last) {
            let segment = stretch.next;
            if let Some(start) = &stretch.start {
                desk.ask(tag(view, What::Segment(segment.0)), now, || {
                    Some(Ask::Work(Box::new(Work {
                        task: task.clone(),
                        start: start.clone(),
                        from: terms.segment_start(segment),
                        to: terms.segment_end(segment),
                    })))
                });
                continue;
            }
            let source = keys.checkpoint(segment.0).zip(run.state_file(segment));
            let Some((key, file)) = source else {
                blocked.push(segment);
                continue;
            };
            desk.ask(tag(view, What::Checkpoint(segment.0, 0)), now, || {
                Some(Ask::Fetch {
                    file,
                    owner: run.provider,
                    key: key.clone(),
                })
            });
        }
        for segment in blocked {
            self.block(segment);
        }
    }

    /// Takes a checkpoint.
    pub(super) fn fetched(&mut self, segment: SegmentIndex, state: Vec<u8>) {
        if let Some(stretch) = self.stretches.iter_mut().find(|s| s.next == segment) {
            stretch.start = Some(Start::State(state));
        }
    }

    /// Takes a replayed segment.
    pub(super) fn replayed(&mut self, segment: SegmentIndex, done: WorkDone) {
        let Some(stretch) = self.stretches.iter_mut().find(|s| s.next == segment) else {
            return;
        };
        let expected = stretch.first_leaf.take();
        if expected.is_some() && done.leaves.first() != expected.as_ref() {
            return self.block(segment);
        }
        stretch.start = Some(Start::State(done.state));
        stretch.next = SegmentIndex(segment.0.saturating_add(1));
        self.found.insert(segment, done.leaves.last().copied());
        self.leaves.insert(segment, done.leaves);
    }

    /// Notes that a stretch cannot be replayed from this segment on.
    pub(super) fn block(&mut self, segment: SegmentIndex) {
        if let Some(stretch) = self.stretches.iter_mut().find(|s| s.next == segment) {
            while stretch.next <= stretch.last {
                self.found.insert(stretch.next, None);
                stretch.next = SegmentIndex(stretch.next.0.saturating_add(1));
            }
        }
    }

    /// Notes that the checkpoints which are not here will not come.
    pub(super) fn give_up_waiting(&mut self) {
        let waiting = self.stretches.iter().filter(|s| s.start.is_none());
        for segment in waiting.map(|s| s.next).collect::<Vec<_>>() {
            self.block(segment);
        }
    }

    /// Notes that nothing more can be had.
    pub(super) fn give_up(&mut self) {
        self.initial.get_or_insert(None);
        let open: Vec<SegmentIndex> = self.stretches.iter().map(|s| s.next).collect();
        for segment in open {
            self.block(segment);
        }
    }

    /// Leaf 0 and the end leaves, once everything is settled.
    pub(super) fn results(&self) -> Option<(Option<Digest>, Found)> {
        let settled = self.stretches.iter().all(|s| s.next > s.last);
        let initial = self.initial.filter(|_| settled)?;
        Some((
            initial,
            self.found.iter().map(|(s, leaf)| (*s, *leaf)).collect(),
        ))
    }

    /// The leaves of every replayed segment's states.
    pub(super) fn take_leaves(&mut self) -> Vec<(SegmentIndex, Vec<Digest>)> {
        std::mem::take(&mut self.leaves).into_iter().collect()
    }
}

/// A tag of the auditor's round.
fn tag(view: &View, what: What) -> Tag {
    Tag {
        place: view.round(),
        what,
    }
}
