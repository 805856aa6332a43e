//! A requester that disputes a good result, to have it for nothing.

use assay_ledger::{Call, OrderCall, Question};
use assay_machine::Machine;
use assay_proof::parties::Requester;
use assay_proof::{Ask, CallTag, Context, Input, Output, Tag, Traced, What};

/// An honest requester that complains where it should accept, and grants the validators nothing.
pub struct FalseComplaint {
    honest: Requester,
    judged: bool,
}

impl FalseComplaint {
    /// Complains whatever it was sent.
    pub fn new(honest: Requester) -> FalseComplaint {
        FalseComplaint {
            honest,
            judged: false,
        }
    }

    fn twist(&self, tag: Tag, call: Call) -> Option<Output> {
        let (what, call) = match call {
            Call::Order(OrderCall::Accept { order }) => {
                let call = OrderCall::Complain { order };
                (What::Call(CallTag::Complain), call.into())
            }
            Call::Order(OrderCall::Grant { .. }) if self.judged => return None,
            call => (tag.what, call),
        };
        Some(Output::Ask(
            Tag { what, ..tag },
            Ask::Submit(Box::new(call)),
        ))
    }
}

impl Machine for FalseComplaint {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let dispute = at.view.order.dispute();
        self.judged = dispute.is_some_and(|d| d.question == Question::Result);
        let outputs = self.honest.step(at, input).into_iter();
        outputs
            .filter_map(|output| match output {
                Output::Ask(tag, Ask::Submit(call)) => self.twist(tag, *call),
                output => Some(output),
            })
            .collect()
    }
}
