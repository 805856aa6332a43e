//! Answering for the run: openings, grants and moves of a dispute.

use assay_ledger::{BoundedVec, OrderCall, Question, Run as RunRecord, StepIndex};

use super::Provider;
use crate::parties::shared::Handover;
use crate::party::CallTag;
use crate::view::View;

pub(super) const NO_TRACE: &str =
    "the journal holds no whole trace to open: the run is computed again";

impl Provider {
    pub(super) fn open(&mut self, view: &View, tag: CallTag, steps: &[StepIndex]) {
        let order = &view.order;
        let terms = &order.head.terms;
        let run = self.run.as_mut();
        let Some(run) = run.and_then(|run| run.trace(terms).is_some().then_some(run)) else {
            return self.desk.trouble(NO_TRACE);
        };
        let place = view.round();
        self.desk.submit(place, tag, view.height, || {
            let openings = steps.iter().map(|step| run.opening(terms, *step));
            let openings = openings.collect::<Option<Vec<_>>>()?;
            let openings = BoundedVec::new(openings).ok()?;
            Some(match tag {
                CallTag::OpenStarts => OrderCall::OpenStarts { place, openings },
                _ => OrderCall::OpenEnds { place, openings },
            })
        });
    }

    pub(super) fn grant_auditors(&mut self, view: &View) {
        let order = &view.order;
        let (Some(keys), Some(run)) = (&self.keys, order.run()) else {
            return;
        };
        let place = view.round();
        let granted = keys.for_reader(run.stretches().iter().map(|(first, _)| first.0));
        let handover = Handover {
            view,
            me: &self.me,
            place,
        };
        for seat in run.round().into_iter().flat_map(|round| &round.seats) {
            let randomness = keys.randomness(&seat.auditor, &place);
            let to = (seat.auditor, &seat.encryption_key);
            handover.give(&mut self.desk, to, &granted, randomness);
        }
    }

    pub(super) fn grant_validators(&mut self, view: &View) {
        let order = &view.order;
        let (Some(keys), Some(dispute)) = (&self.keys, order.dispute()) else {
            return;
        };
        let index = self.run.as_ref().map(|run| run.attempt);
        if index != Some(dispute.run) && index != dispute.rival {
            return;
        }
        let granted = match dispute.question {
            Question::Start => {
                let first = order.run().map(|run| run.stretches()).unwrap_or_default();
                let mut granted = keys.for_reader(first.iter().map(|(first, _)| first.0));
                granted.witness = Some(keys.randomness(&dispute.challenger, &view.round()));
                granted
            }
            Question::Initial | Question::Step => {
                keys.for_reader([view.checkpoint_at(dispute.from.step).0])
            }
            Question::Result => keys.for_judge(),
            // That is for the requester to show.
            Question::Beginning => return,
        };
        let handover = Handover {
            view,
            me: &self.me,
            place: view.dispute(),
        };
        handover.give_validators(&mut self.desk, &granted);
    }

    /// Releases the key of its result.
    pub(super) fn deliver(&mut self, view: &View, mine: &RunRecord) {
        let to = view.order.head.terms.delivery_key;
        let place = view.order.work(mine.index);
        let (Some(keys), Some(randomness)) = (&self.keys, self.desk.random()) else {
            return;
        };
        self.desk.submit(place, CallTag::Deliver, view.height, || {
            let release = keys.release(&to, &randomness).ok()?;
            Some(OrderCall::Deliver { place, release })
        });
    }

    pub(super) fn bisect(&mut self, view: &View) {
        let order = &view.order;
        let Some(dispute) = order.dispute() else {
            return;
        };
        let index = self.run.as_ref().map(|run| run.attempt);
        let made = match index == Some(dispute.run) {
            true => dispute.provider_move,
            false if index == dispute.rival => dispute.challenger_move,
            false => return,
        };
        if made.is_some() {
            return;
        }
        let (Some(middle), Some(run)) = (dispute.middle(), &mut self.run) else {
            return;
        };
        let Some(trace) = run.trace(&order.head.terms) else {
            return self.desk.trouble(NO_TRACE);
        };
        let tag = CallTag::Bisect(dispute.agreed.step.0, dispute.disputed.step.0);
        let place = view.dispute();
        self.desk.submit(place, tag, view.height, || {
            Some(OrderCall::Bisect {
                place,
                step: middle,
                leaf: trace.leaf(middle)?,
                path: Some(trace.path(middle)?),
            })
        });
    }
}
