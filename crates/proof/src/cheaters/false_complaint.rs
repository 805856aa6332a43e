//! A requester that disputes a good result, to have it for nothing.

use assay_ledger::{Call, Question};

use crate::parties::Requester;
use crate::party::{CallTag, Context, Input, Output, Party, Tag, What};

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
            Call::Accept { order } => (What::Call(CallTag::Complain), Call::Complain { order }),
            Call::Grant { .. } if self.judged => return None,
            call => (tag.what, call),
        };
        Some(Output::Submit {
            tag: Tag { what, ..tag },
            call: Box::new(call),
        })
    }
}

impl Party for FalseComplaint {
    fn step(&mut self, context: &Context, input: Input) -> Vec<Output> {
        if let Input::Order(view) = &input {
            let dispute = view.order.dispute();
            self.judged = dispute.is_some_and(|d| d.question == Question::Result);
        }
        let outputs = self.honest.step(context, input).into_iter();
        outputs
            .filter_map(|output| match output {
                Output::Submit { tag, call } => self.twist(tag, *call),
                output => Some(output),
            })
            .collect()
    }
}
