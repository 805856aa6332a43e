//! What a lying judge looks at.

use assay_crypto::Digest;
use assay_ledger::{AccountId, Dispute, Hearing, Moment, OrderCall, Place};
use assay_proof::{Ask, CallTag, Output, Tag, View, What};

/// A dispute in which a validator has not attested.
pub(super) struct Bench<'a> {
    pub(super) me: AccountId,
    pub(super) place: Place,
    pub(super) dispute: &'a Dispute,
    pub(super) hearing: Hearing,
}

impl<'a> Bench<'a> {
    /// `None` when there is none, or it has attested.
    pub(super) fn at(view: &'a View, me: AccountId) -> Option<Bench<'a>> {
        let order = &view.order;
        let moment = Moment {
            time: view.time,
            height: view.height,
        };
        let hearing = order.hearing(moment)?;
        let dispute = order.dispute()?;
        let mut attested = dispute.attestations.iter();
        if attested.any(|made| made.validator == me) {
            return None;
        }
        Some(Bench {
            me,
            place: order.dispute_place()?,
            dispute,
            hearing,
        })
    }

    /// What it has committed to.
    pub(super) fn own(&self) -> Option<Digest> {
        let mut made = self.dispute.commitments.iter();
        let made = made.find(|made| made.validator == self.me)?;
        Some(made.commitment)
    }

    /// Makes a call.
    pub(super) fn call(&self, tag: CallTag, call: OrderCall) -> Output {
        let tag = Tag {
            place: self.place,
            what: What::Call(tag),
        };
        Output::Ask(tag, Ask::Submit(Box::new(call.into())))
    }
}
