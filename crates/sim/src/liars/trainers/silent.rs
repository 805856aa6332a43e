//! A trainer that joins, and never sends anything.

use assay_machine::Machine;
use assay_proof::{Context, Input, Output, Traced};

/// Never says anything; its node has brought its rows, and joined.
pub struct SilentTrainer;

impl Machine for SilentTrainer {
    type Protocol = Traced;

    fn step(&mut self, _: &Context<'_>, _: Input) -> Vec<Output> {
        Vec::new()
    }
}
