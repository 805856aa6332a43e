//! A validator that neither says which updates it holds nor what they make of the model.

use assay_machine::Machine;
use assay_proof::{Context, Input, Output, Traced};

/// Never says anything.
pub struct SilentMerger;

impl Machine for SilentMerger {
    type Protocol = Traced;

    fn step(&mut self, _: &Context<'_>, _: Input) -> Vec<Output> {
        Vec::new()
    }
}
