//! A provider that takes orders, looks at their inputs and gives them back.

use assay_ledger::{DeclineReason, OrderCall, Phase};
use assay_machine::Machine;
use assay_proof::parties::Provider;
use assay_proof::{Ask, CallTag, Context, Identity, Input, Output, Tag, Traced, What};

/// An honest provider until it has been granted the keys: then it declines, and says that the
/// specification cannot be run.
pub struct DecliningProvider {
    me: Identity,
    honest: Provider,
}

impl DecliningProvider {
    /// A provider that has a look for nothing.
    pub fn new(me: Identity) -> DecliningProvider {
        DecliningProvider {
            honest: Provider::new(me.clone()),
            me,
        }
    }
}

impl Machine for DecliningProvider {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let order = &at.view.order;
        let news = matches!(input, Input::News);
        let own = order.run_of(self.me.account).map(|run| run.index);
        let (Phase::Running, Some(run)) = (order.head.phase, own) else {
            return self.honest.step(at, input);
        };
        let place = order.work(run);
        let call = OrderCall::Decline {
            place,
            reason: DeclineReason::Specification,
        };
        let tag = Tag {
            place,
            what: What::Call(CallTag::Decline),
        };
        let decline = Output::Ask(tag, Ask::Submit(Box::new(call.into())));
        news.then_some(decline).into_iter().collect()
    }
}
