//! Answering for the run: openings, grants and moves of a dispute.

use assay_ledger::{BoundedVec, Call, Opening, Question, Role, StepIndex};

use super::Provider;
use crate::parties::Handover;
use crate::party::CallTag;
use crate::trace::Trace;
use crate::view::View;

const NO_TRACE: &str = "the journal holds no whole trace to open; restore it from a backup";

impl Provider {
    pub(super) fn open(&mut self, view: &View, tag: CallTag, steps: &[StepIndex]) {
        let order = &view.order;
        let trace = self.run.as_mut().and_then(|run| run.trace(&order.terms));
        let Some(trace) = trace else {
            return self.desk.trouble(NO_TRACE);
        };
        self.desk
            .submit(order, (view.round(), tag), view.height, || {
                let (order, openings) = (order.id, opening_list(trace, steps)?);
                Some(match tag {
                    CallTag::OpenStarts => Call::OpenStarts { order, openings },
                    _ => Call::OpenEnds { order, openings },
                })
            });
    }

    pub(super) fn grant_auditors(&mut self, view: &View) {
        let order = &view.order;
        let (Some(keys), Some(round)) = (&self.keys, order.round()) else {
            return;
        };
        let granted = keys.for_reader(order.stretches().iter().map(|(first, _)| first.0));
        let handover = Handover {
            view,
            me: &self.me,
            occasion: view.round(),
        };
        for seat in &round.seats {
            if view.granted(self.me.account, seat.auditor, round.at) {
                continue;
            }
            let randomness = keys.randomness(&seat.auditor, view.round());
            let to = (seat.auditor, Role::Auditor);
            handover.give(&mut self.desk, to, &granted, randomness);
        }
    }

    pub(super) fn grant_validators(&mut self, view: &View) {
        let order = &view.order;
        let (Some(keys), Some(dispute)) = (&self.keys, order.dispute()) else {
            return;
        };
        let granted = match dispute.question {
            Question::Start => {
                let first = order.stretches();
                let mut granted = keys.for_reader(first.iter().map(|(first, _)| first.0));
                granted.witness = Some(keys.randomness(&dispute.challenger, view.round()));
                granted
            }
            Question::Initial | Question::Step => {
                keys.for_reader([view.checkpoint_at(dispute.from.step).0])
            }
            Question::Result => keys.for_reader([order.terms.segments()]),
        };
        let handover = Handover {
            view,
            me: &self.me,
            occasion: view.disputes(),
        };
        handover.give_validators(&mut self.desk, &granted);
    }

    pub(super) fn bisect(&mut self, view: &View) {
        let order = &view.order;
        let Some(dispute) = order.dispute().filter(|d| d.provider_move.is_none()) else {
            return;
        };
        let (Some(middle), Some(run)) = (dispute.middle(), &mut self.run) else {
            return;
        };
        let Some(trace) = run.trace(&order.terms) else {
            return self.desk.trouble(NO_TRACE);
        };
        let tag = CallTag::Bisect(dispute.agreed.step.0, dispute.disputed.step.0);
        self.desk
            .submit(order, (view.disputes(), tag), view.height, || {
                let opening = trace.opening(middle)?;
                Some(Call::Bisect {
                    order: order.id,
                    leaf: opening.leaf,
                    path: Some(opening.path),
                })
            });
    }
}

/// Openings of these steps, as a call carries them.
fn opening_list(trace: &Trace, steps: &[StepIndex]) -> Option<BoundedVec<Opening, 80>> {
    let openings: Option<Vec<Opening>> = steps.iter().map(|step| trace.opening(*step)).collect();
    BoundedVec::new(openings?).ok()
}
