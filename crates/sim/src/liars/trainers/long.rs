//! A trainer that commits to an update of another length than all have.

use assay_crypto::aead::FileKey;
use assay_machine::Machine;
use assay_proof::parties::Trainer;
use assay_proof::{Context, Identity, Input, Output, Traced};

/// An honest trainer that is told that updates have a byte more than they have: it commits to whatever its programs
/// end with, if that has so many bytes.
pub struct LongTrainer(Trainer);

impl LongTrainer {
    /// A trainer whose rows open with this key.
    pub fn new(me: Identity, rows: FileKey) -> Self {
        Self(Trainer::new(me, rows))
    }
}

impl Machine for LongTrainer {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let mut view = at.view.clone();
        if let Some(rounds) = &mut view.order.head.terms.rounds {
            rounds.update_bytes += 1;
        }
        let at = Context {
            now: at.now,
            view: &view,
        };
        self.0.step(&at, input)
    }
}
