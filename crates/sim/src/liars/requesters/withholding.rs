//! A requester that leaves those who work for it waiting.

use assay_ledger::{OrderCall, Phase};
use assay_machine::Machine;
use assay_proof::parties::Requester;
use assay_proof::{Ask, CallTag, Context, Input, Output, Tag, Traced, What};

/// An honest requester that hands over no keys.
pub struct KeylessRequester {
    honest: Requester,
    /// Whether it withdraws its order in place of handing over keys.
    withdraws: bool,
}

impl KeylessRequester {
    /// Posts an order and never hands over a key.
    pub fn new(honest: Requester) -> KeylessRequester {
        KeylessRequester {
            honest,
            withdraws: false,
        }
    }

    /// Withdraws the order as soon as it sees who would do it, and with which seed.
    pub fn withdrawing(honest: Requester) -> KeylessRequester {
        KeylessRequester {
            honest,
            withdraws: true,
        }
    }
}

impl Machine for KeylessRequester {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let order = &at.view.order;
        let news = matches!(input, Input::News);
        let outputs = self.honest.step(at, input).into_iter();
        let said = outputs.filter(|output| match output {
            Output::Ask(tag, Ask::Submit(_)) => !matches!(tag.what, What::Call(CallTag::Grant(_))),
            _ => true,
        });
        let mut said: Vec<Output> = said.collect();
        if self.withdraws && news && order.head.phase == Phase::Assigned {
            let place = order.work(order.attempt());
            let call = OrderCall::Cancel {
                order: order.head.id,
            };
            let tag = Tag {
                place,
                what: What::Call(CallTag::Accept),
            };
            said.push(Output::Ask(tag, Ask::Submit(Box::new(call.into()))));
        }
        said
    }
}
