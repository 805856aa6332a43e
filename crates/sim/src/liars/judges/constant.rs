//! A validator that attests without looking.

use assay_crypto::Digest;
use assay_ledger::{Attestation, Finding, Hearing, OrderCall, Piece};
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
        let found = leaf.map_or(Finding::Missing(Piece::Keys), Finding::Leaf);
        ConstantJudge { me, found }
    }
}

impl Machine for ConstantJudge {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let (Input::News, Some(bench)) = (input, Bench::at(at.view, self.me.account)) else {
            return Vec::new();
        };
        let (place, found, validator) = (bench.place, self.found, self.me.account);
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
}
