//! A trainer that commits to an update, and keeps the pieces of its file from everybody.

use assay_crypto::aead::FileKey;
use assay_ledger::{Call, FileCall, OrderCall};
use assay_machine::Machine;
use assay_proof::parties::Trainer;
use assay_proof::{Ask, Context, Identity, Input, Output, Tag, Traced, What};

/// An honest trainer whose nodes throw its update away as soon as it is committed to.
pub struct WithholdingTrainer(Trainer);

impl WithholdingTrainer {
    /// A trainer whose rows open with this key.
    pub fn new(me: Identity, rows: FileKey) -> Self {
        Self(Trainer::new(me, rows))
    }
}

/// What is asked for in its own name: no honest trainer reads anything again.
const OWN: What = What::Reread(u32::MAX);

impl Machine for WithholdingTrainer {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        if matches!(&input, Input::Answer(tag, _) if tag.what == OWN) {
            return Vec::new();
        }
        let mut outputs = Vec::new();
        for output in self.0.step(at, input) {
            let committed = match &output {
                Output::Ask(tag, Ask::Submit(call)) => update(call).map(|file| (*tag, file)),
                _ => None,
            };
            outputs.push(output);
            if let Some((tag, file)) = committed {
                // Whatever the ledger says to that, its nodes do it.
                let tag = Tag { what: OWN, ..tag };
                let delete = Ask::Submit(Box::new(FileCall::Delete { file }.into()));
                outputs.push(Output::Ask(tag, delete));
            }
        }
        outputs
    }
}

fn update(call: &Call) -> Option<assay_ledger::FileId> {
    match call {
        Call::Order(OrderCall::CommitUpdate { update, .. }) => Some(*update),
        _ => None,
    }
}
