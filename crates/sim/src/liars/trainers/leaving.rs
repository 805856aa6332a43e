//! A trainer that leaves as soon as it has sent its update, in the hope of being gone when it is audited.

use assay_crypto::aead::FileKey;
use assay_ledger::OrderCall;
use assay_machine::Machine;
use assay_proof::parties::Trainer;
use assay_proof::{Ask, Context, Identity, Input, Output, Tag, Traced, What};

/// An honest trainer until then, if its programs are.
pub struct LeavingTrainer {
    honest: Trainer,
    left: bool,
}

impl LeavingTrainer {
    /// A trainer whose rows open with this key.
    pub fn new(me: Identity, rows: FileKey) -> Self {
        Self {
            honest: Trainer::new(me, rows),
            left: false,
        }
    }
}

/// What is asked for in its own name: no honest trainer reads anything again.
const OWN: What = What::Reread(u32::MAX);

impl Machine for LeavingTrainer {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        if matches!(&input, Input::Answer(tag, _) if tag.what == OWN) {
            return Vec::new();
        }
        let mut outputs = self.honest.step(at, input);
        let order = &at.view.order;
        let (trainer, rounds) = (&at.view.trainer, &order.head.rounds);
        let sent = trainer.as_ref().zip(rounds.as_ref());
        let sent = sent.is_some_and(|(me, of)| me.sent_in(of.round).is_some() && me.is_bound());
        let place = order.round_under_way().filter(|_| sent && !self.left);
        if let Some(place) = place {
            self.left = true;
            let leave = OrderCall::Leave {
                order: order.head.id,
            };
            let ask = Ask::Submit(Box::new(leave.into()));
            outputs.push(Output::Ask(Tag { place, what: OWN }, ask));
        }
        outputs
    }
}
