//! A validator that is in league with one side of every dispute.

use assay_machine::Machine;
use assay_proof::{Context, Identity, Input, Output, Traced};

use super::constant::{attest, finding};

/// Attests what the challenger claims, without looking.
pub struct SidingJudge {
    me: Identity,
}

impl SidingJudge {
    /// A validator on the side of whoever challenges.
    pub fn new(me: Identity) -> SidingJudge {
        SidingJudge { me }
    }
}

impl Machine for SidingJudge {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        attest(self.me.account, at, &input, |dispute| {
            finding(dispute.claimed)
        })
    }
}
