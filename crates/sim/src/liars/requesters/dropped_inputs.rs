//! A requester that looks what the beacon drew, and then makes its inputs disappear.

use assay_ledger::{FileCall, Order, Phase};
use assay_machine::Machine;
use assay_proof::parties::Requester;
use assay_proof::{Ask, Context, Input, Output, Tag, Traced, What};

/// What a requester waits to see before it drops its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Who was drawn to do the work, and the seed.
    Provider,
    /// Which segments were drawn for replay.
    Segments,
}

impl Seen {
    fn is_drawn(self, order: &Order) -> bool {
        match self {
            Seen::Provider => order.head.phase == Phase::Assigned,
            Seen::Segments => order
                .round()
                .is_some_and(|round| !round.segments.is_empty()),
        }
    }
}

/// An honest requester on storage nodes of its own. Once it has seen what it waits for, it deletes the
/// records of its inputs, and its nodes throw the files away whatever the ledger says of the records.
pub struct DroppedInputs {
    honest: Requester,
    seen: Seen,
    dropped: bool,
}

impl DroppedInputs {
    /// Drops its inputs once it has seen this.
    pub fn new(honest: Requester, seen: Seen) -> DroppedInputs {
        DroppedInputs {
            honest,
            seen,
            dropped: false,
        }
    }
}

impl Machine for DroppedInputs {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let order = &at.view.order;
        let mut outputs = Vec::new();
        if !self.dropped && matches!(input, Input::News) && self.seen.is_drawn(order) {
            self.dropped = true;
            let inputs = (0..).zip(order.head.terms.inputs.iter());
            outputs.extend(inputs.map(|(place, input)| {
                let tag = Tag {
                    place: order.work(order.attempt()),
                    // No honest requester asks for one.
                    what: What::Copy(place),
                };
                let delete = FileCall::Delete { file: input.file };
                Output::Ask(tag, Ask::Submit(Box::new(delete.into())))
            }));
        }
        outputs.extend(self.honest.step(at, input));
        outputs
    }
}
