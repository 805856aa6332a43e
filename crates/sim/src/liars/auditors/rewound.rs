//! An auditor that rolls its journal back once it knows what it should have found.

use assay_crypto::Digest;
use assay_ledger::{AuditResults, BoundedVec, Order, OrderCall, Phase, SegmentIndex, StepIndex};
use assay_machine::Machine;
use assay_proof::{Ask, CallTag, Context, Identity, Input, Output, Tag, Traced, What};

/// Commits without having looked. Once the ends are open it goes on from a journal in which it has not
/// committed: it commits again, to just what was opened, and reveals that. The ledger takes one commitment
/// of each seat, and a reveal that fits no other.
pub struct RewoundAuditor {
    me: Identity,
}

impl RewoundAuditor {
    /// An auditor that does not look before it is shown.
    pub fn new(me: Identity) -> RewoundAuditor {
        RewoundAuditor { me }
    }

    fn calls(&self, order: &Order) -> Vec<(CallTag, OrderCall)> {
        if let Some(place) = order.list_place()
            && order.has_to_answer(self.me.account)
        {
            let accept = true;
            return vec![(CallTag::Answer, OrderCall::Answer { place, accept })];
        }
        let Some(place) = order.round_place() else {
            return Vec::new();
        };
        let commit = |commitment| {
            let call = OrderCall::CommitAudit { place, commitment };
            (CallTag::CommitAudit, call)
        };
        match (order.head.phase, order.seat(self.me.account)) {
            (Phase::Auditing, Some(seat)) if seat.commitment.is_none() => {
                vec![commit(Digest::of("assay/sim/unseen/v1", &[]))]
            }
            (Phase::Revealing, Some(_)) => {
                let (Some(results), salt) = (shown(order), Digest::ZERO) else {
                    return Vec::new();
                };
                let again = results.commitment(&place, self.me.account, &salt);
                let reveal = OrderCall::RevealAudit {
                    place,
                    results,
                    salt,
                };
                vec![commit(again), (CallTag::RevealAudit, reveal)]
            }
            _ => Vec::new(),
        }
    }
}

/// What the provider has opened, as results of one who has looked.
fn shown(order: &Order) -> Option<AuditResults> {
    let (run, terms) = (order.run()?, &order.head.terms);
    let end = |segment: &SegmentIndex| (*segment, run.opened(terms.segment_end(*segment)));
    let segments: Vec<_> = run.round()?.segments.iter().map(end).collect();
    Some(AuditResults {
        initial: run.opened(StepIndex(0)),
        segments: BoundedVec::new(segments).ok()?,
    })
}

impl Machine for RewoundAuditor {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let Input::News = input else {
            return Vec::new();
        };
        let order = &at.view.order;
        let outputs = self.calls(order).into_iter().map(|(tag, call)| {
            let tag = Tag {
                place: order.work(order.attempt()),
                what: What::Call(tag),
            };
            Output::Ask(tag, Ask::Submit(Box::new(call.into())))
        });
        outputs.collect()
    }
}
