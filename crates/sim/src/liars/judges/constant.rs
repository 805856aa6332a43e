//! A validator that attests without looking.

use assay_crypto::Digest;
use assay_ledger::{AccountId, Attestation, Dispute, Finding, Hearing, OrderCall, Piece};
use assay_machine::Machine;
use assay_proof::{CallTag, Context, Identity, Input, Output, Traced};

use super::bench::Bench;

/// Attests the same thing in every dispute.
pub struct ConstantJudge {
    me: Identity,
    found: Finding,
}

impl ConstantJudge {
    /// A validator that always finds this leaf, or always nothing.
    pub fn new(me: Identity, leaf: Option<Digest>) -> ConstantJudge {
        ConstantJudge {
            me,
            found: finding(leaf),
        }
    }
}

impl Machine for ConstantJudge {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        attest(self.me.account, at, &input, |_| self.found)
    }
}

/// This leaf, or that nothing could be had.
pub(super) fn finding(leaf: Option<Digest>) -> Finding {
    leaf.map_or(Finding::Missing(Piece::Keys), Finding::Leaf)
}

/// Commits to and attests at once what `finds` says of an open dispute, unless that was done.
pub(super) fn attest(
    validator: AccountId,
    at: &Context<'_>,
    input: &Input,
    finds: impl Fn(&Dispute) -> Finding,
) -> Vec<Output> {
    let (Input::News, Some(bench)) = (input, Bench::at(at.view, validator)) else {
        return Vec::new();
    };
    let (place, found) = (bench.place, finds(bench.dispute));
    // Whoever reads the ledger knows it anyway.
    let salt = Digest::ZERO;
    let (tag, call) = match (bench.hearing, bench.own()) {
        (Hearing::Sealed, None) => {
            let finding = Attestation { validator, found };
            let commitment = finding.commitment(&place, &salt);
            let call = OrderCall::CommitFinding { place, commitment };
            (CallTag::CommitFinding, call)
        }
        (Hearing::Sealed, Some(_)) => return Vec::new(),
        (_, own) => {
            let salt = own.map(|_| salt);
            (CallTag::Attest, OrderCall::Attest { place, found, salt })
        }
    };
    vec![bench.call(tag, call)]
}
