//! A validator that attests without looking.

use assay_crypto::Digest;
use assay_ledger::{OrderCall, Phase};
use assay_machine::Machine;
use assay_proof::{Ask, CallTag, Context, Identity, Input, Output, Tag, Traced, What};

/// Attests the same thing in every dispute.
pub struct ConstantJudge {
    me: Identity,
    leaf: Option<Digest>,
}

impl ConstantJudge {
    /// A validator that always finds this leaf, or always nothing.
    pub fn new(me: Identity, leaf: Option<Digest>) -> ConstantJudge {
        ConstantJudge { me, leaf }
    }
}

impl Machine for ConstantJudge {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let Input::News = input else {
            return Vec::new();
        };
        let order = &at.view.order;
        let open = order
            .dispute()
            .filter(|_| order.head.phase == Phase::Attesting);
        let mine = |account| account == self.me.account;
        let Some(_) = open.filter(|d| !d.attestations.iter().any(|a| mine(a.validator))) else {
            return Vec::new();
        };
        let Some(place) = order.dispute_place() else {
            return Vec::new();
        };
        let tag = Tag {
            place,
            what: What::Call(CallTag::Attest),
        };
        let leaf = self.leaf;
        let call = OrderCall::Attest { place, leaf };
        vec![Output::Ask(tag, Ask::Submit(Box::new(call.into())))]
    }
}
