//! An auditor that posts what another auditor posted.

use assay_ledger::{Order, OrderCall, Phase, Seat};
use assay_machine::Machine;
use assay_proof::{Ask, CallTag, Context, Identity, Input, Output, Tag, Traced, What};

/// Waits for another seat's commitment and posts the same; later posts the same reveal, with a
/// salt it cannot know. The commitment binds its author, so the reveal never fits.
pub struct CopyingAuditor {
    me: Identity,
}

impl CopyingAuditor {
    /// A copying auditor.
    pub fn new(me: Identity) -> CopyingAuditor {
        CopyingAuditor { me }
    }

    fn call(&self, order: &Order) -> Option<(CallTag, OrderCall)> {
        if order.has_to_answer(self.me.account) {
            let place = order.list_place()?;
            let accept = true;
            return Some((CallTag::Answer, OrderCall::Answer { place, accept }));
        }
        order.seat(self.me.account)?;
        let seats = &order.round()?.seats;
        let copied = |known: fn(&Seat) -> bool| {
            let others = seats.iter().filter(|seat| seat.auditor != self.me.account);
            others.into_iter().find(|seat| known(seat))
        };
        match order.head.phase {
            Phase::Auditing => {
                let commitment = copied(|seat| seat.commitment.is_some())?.commitment?;
                let place = order.round_place()?;
                Some((
                    CallTag::CommitAudit,
                    OrderCall::CommitAudit { place, commitment },
                ))
            }
            Phase::Revealing => {
                let seat = copied(|seat| seat.results.is_some())?;
                let call = OrderCall::RevealAudit {
                    place: order.round_place()?,
                    results: seat.results.clone()?,
                    salt: seat.commitment?,
                };
                Some((CallTag::RevealAudit, call))
            }
            _ => None,
        }
    }
}

impl Machine for CopyingAuditor {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let Input::News = input else {
            return Vec::new();
        };
        let order = &at.view.order;
        let outputs = self.call(order).into_iter().map(|(tag, call)| {
            let tag = Tag {
                place: order.work(order.attempt()),
                what: What::Call(tag),
            };
            Output::Ask(tag, Ask::Submit(Box::new(call.into())))
        });
        outputs.collect()
    }
}
