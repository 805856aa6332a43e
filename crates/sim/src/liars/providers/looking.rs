//! A provider that takes orders for their inputs: it reads them, says that they are at fault, and gives the
//! order back.

use assay_ledger::{DeclineReason, OrderCall, Phase};
use assay_machine::Machine;
use assay_proof::parties::Provider;
use assay_proof::{Ask, CallTag, Context, Identity, Input, Output, Tag, Traced, What};

/// An honest provider until it holds the keys.
pub struct LookingProvider {
    honest: Provider,
    me: Identity,
    reason: DeclineReason,
    gave_back: bool,
}

impl LookingProvider {
    /// A provider that gives its run back for a reason that there is not.
    pub fn new(me: Identity, reason: DeclineReason) -> LookingProvider {
        LookingProvider {
            honest: Provider::new(me.clone()),
            me,
            reason,
            gave_back: false,
        }
    }
}

impl Machine for LookingProvider {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let order = &at.view.order;
        let mine = order.run_of(self.me.account);
        let Some(run) = mine.filter(|_| order.head.phase == Phase::Running) else {
            return self.honest.step(at, input);
        };
        if std::mem::replace(&mut self.gave_back, true) {
            return Vec::new();
        }
        let (place, reason) = (order.work(run.index), self.reason);
        let tag = Tag {
            place,
            what: What::Call(CallTag::Decline),
        };
        let call = OrderCall::Decline { place, reason };
        vec![Output::Ask(tag, Ask::Submit(Box::new(call.into())))]
    }
}
