//! A validator that says that it holds every update, whether it does or not.

use assay_ledger::{OrderCall, Phase, Place};
use assay_machine::Machine;
use assay_proof::parties::Merger;
use assay_proof::{Ask, CallTag, Context, Identity, Input, Output, Tag, Traced, What};

/// An honest one that does not look before it says what it holds.
pub struct FalseHolder {
    honest: Merger,
    said: Option<Place>,
}

impl FalseHolder {
    /// A validator that knows nothing yet.
    pub fn new(me: Identity) -> Self {
        Self {
            honest: Merger::new(me),
            said: None,
        }
    }
}

/// Whether an output says what it holds.
fn is_hold(output: &Output) -> bool {
    matches!(output, Output::Ask(tag, _) if tag.what == What::Call(CallTag::Hold))
}

impl Machine for FalseHolder {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let mut outputs = self.honest.step(at, input);
        outputs.retain(|output| !is_hold(output));
        let order = &at.view.order;
        let (rounds, place) = (order.head.rounds.as_ref(), order.round_under_way());
        let Some((rounds, place)) = rounds.zip(place) else {
            return outputs;
        };
        if order.head.phase == Phase::Gathering && self.said != Some(place) {
            self.said = Some(place);
            let updates = rounds.sent.clone();
            let tag = Tag {
                place,
                what: What::Call(CallTag::Hold),
            };
            let hold = OrderCall::Hold { place, updates };
            outputs.push(Output::Ask(tag, Ask::Submit(Box::new(hold.into()))));
        }
        outputs
    }
}
