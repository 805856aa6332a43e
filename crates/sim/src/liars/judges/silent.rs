//! A validator that makes blocks and judges nothing.

use assay_machine::Machine;
use assay_proof::{Context, Input, Output, Traced};

/// Never says anything.
pub struct SilentJudge;

impl Machine for SilentJudge {
    type Protocol = Traced;

    fn step(&mut self, _: &Context<'_>, _: Input) -> Vec<Output> {
        Vec::new()
    }
}
