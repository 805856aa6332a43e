//! Where a judge's replay begins and ends.

use assay_crypto::Digest;
use assay_crypto::aead::FileKey;
use assay_ledger::{Dispute, Order, Question, SegmentIndex, StepIndex};

use crate::keys::ReaderKeys;
use crate::view::View;

/// Where a judge's replay begins.
pub(super) struct Beginning<'a> {
    /// The checkpoint with the key that was granted for it; none for the state that the
    /// specification begins with, which needs nobody's word.
    pub(super) checkpoint: Option<(SegmentIndex, &'a FileKey)>,
    pub(super) step: StepIndex,
    /// The leaf that the stored state must have for a replay to count.
    pub(super) leaf: Digest,
}

impl<'a> Beginning<'a> {
    /// The disputed segment's own checkpoint if its key is among those granted, else the one
    /// where the auditors' replay of that stretch began.
    pub(super) fn under(
        keys: &'a ReaderKeys,
        view: &View,
        dispute: &Dispute,
    ) -> Option<Beginning<'a>> {
        let order = &view.order;
        let begin = |step: StepIndex, segment: SegmentIndex, leaf| {
            let checkpoint = match step.0 {
                0 => None,
                _ => Some((segment, keys.checkpoint(segment.0)?)),
            };
            Some(Beginning {
                checkpoint,
                step,
                leaf,
            })
        };
        let segment = view.checkpoint_at(dispute.from.step);
        begin(dispute.from.step, segment, dispute.from.leaf).or_else(|| {
            let run = order.run_at(dispute.run)?;
            let stretches = run.stretches();
            let (first, _) = stretches
                .iter()
                .rev()
                .find(|(first, _)| *first <= segment)?;
            let step = order.head.terms.segment_start(*first);
            begin(step, *first, run.opened(step)?)
        })
    }
}

/// How far a judge replays. About a start it takes one step more than it attests, so that a state
/// which only looks like one does not pass.
pub(super) fn target(order: &Order, dispute: &Dispute) -> StepIndex {
    match dispute.question {
        Question::Initial | Question::Beginning => StepIndex(0),
        Question::Start => StepIndex((dispute.from.step.0 + 1).min(order.head.terms.steps)),
        Question::Step | Question::Result => dispute.disputed.step,
    }
}
