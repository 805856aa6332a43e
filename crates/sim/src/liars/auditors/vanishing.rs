//! An auditor that takes a seat and then says nothing more.

use assay_machine::Machine;
use assay_proof::parties::Auditor;
use assay_proof::{Ask, CallTag, Context, Identity, Input, Output, Traced, What};

/// An honest auditor that never makes one of its moves.
pub struct VanishingAuditor {
    honest: Auditor,
    kept: CallTag,
}

impl VanishingAuditor {
    /// An auditor that never posts a commitment.
    pub fn before_committing(me: Identity) -> VanishingAuditor {
        VanishingAuditor {
            honest: Auditor::new(me),
            kept: CallTag::CommitAudit,
        }
    }

    /// An auditor that commits and never says to what.
    pub fn before_revealing(me: Identity) -> VanishingAuditor {
        VanishingAuditor {
            kept: CallTag::RevealAudit,
            ..VanishingAuditor::before_committing(me)
        }
    }
}

impl Machine for VanishingAuditor {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let kept = What::Call(self.kept);
        let outputs = self.honest.step(at, input).into_iter();
        let said = outputs.filter(|output| match output {
            Output::Ask(tag, Ask::Submit(_)) => tag.what != kept,
            _ => true,
        });
        said.collect()
    }
}
