//! The requester: hands out keys, checks what comes back.

use assay_ledger::{Call, Order, Phase, Question, Role, StepIndex};

use super::{Handover, close};
use crate::desk::Desk;
use crate::inputs::Inputs;
use crate::keys::OrderKeys;
use crate::party::{
    CallTag, Context, FetchFailure, Identity, Input, Output, Party, Progress, Tag, What,
};
use crate::view::View;
use crate::work::{Start, Work, WorkDone, WorkFailure};

/// The requester of one order, which is on the ledger already.
///
/// It grants each attempt's provider that attempt's keys, and the validators what a dispute is
/// about. When a run is accepted it fetches the result, checks it against the audited final leaf
/// and accepts, or complains: then the validators look for themselves.
pub struct Requester {
    me: Identity,
    keys: OrderKeys,
    view: Option<Box<View>>,
    desk: Desk,
    inputs: Inputs,
    /// The attempt's result as far as it was looked at.
    result: Delivery,
    attempt: u8,
    finished: bool,
}

enum Delivery {
    Unseen,
    Fetched(Vec<u8>),
    Good,
    Bad,
}

impl Party for Requester {
    fn step(&mut self, context: &Context, input: Input) -> Vec<Output> {
        if let Some(view) = self.take(context, input) {
            self.view = Some(view);
        }
        if let Some(view) = self.view.take() {
            self.act(&view, context);
            self.view = Some(view);
        }
        self.desk.take()
    }
}

impl Requester {
    /// A requester that holds the order's keys. It keeps no journal.
    pub fn new(me: Identity, keys: OrderKeys) -> Requester {
        Requester {
            me,
            keys,
            view: None,
            desk: Desk::default(),
            inputs: Inputs::default(),
            result: Delivery::Unseen,
            attempt: 0,
            finished: false,
        }
    }

    fn take(&mut self, context: &Context, input: Input) -> Option<Box<View>> {
        let now = context.now;
        match input {
            Input::Order(view) => return Some(view),
            Input::Submitted { tag, .. } => {
                self.desk.answered(&tag);
                self.desk.rest(tag, now);
            }
            Input::Fetched { tag, result } if self.desk.answered(&tag) => {
                if let Err(failure) = &result {
                    self.trouble(failure.to_string());
                    self.desk.rest(tag, now);
                }
                match (tag.what, result) {
                    (What::Input(place, candidate), result) => {
                        self.inputs.fetched((place, candidate), result);
                    }
                    (_, Ok(bytes)) => self.result = Delivery::Fetched(bytes),
                    (_, Err(FetchFailure::Corrupt(_))) => self.result = Delivery::Bad,
                    (_, Err(FetchFailure::Unavailable(_) | FetchFailure::TooLarge(_))) => {}
                }
            }
            Input::Worked { tag, result } if self.desk.answered(&tag) => {
                self.desk.rest(tag, now);
                self.checked(result);
            }
            _ => {}
        }
        None
    }

    fn act(&mut self, view: &View, context: &Context) {
        let order = &view.order;
        if self.finished {
            return;
        }
        if let Some(outcome) = close(order) {
            self.finished = true;
            return self.desk.push(Output::Finished(outcome));
        }
        if order.attempt != self.attempt {
            self.attempt = order.attempt;
            self.result = Delivery::Unseen;
            self.desk.clear();
        }
        match order.phase {
            Phase::Assigned => self.grant_provider(view, context),
            Phase::Attesting => self.grant_validators(view, context),
            Phase::Accepted => self.check(view, context),
            _ => {}
        }
    }

    fn grant_provider(&mut self, view: &View, context: &Context) {
        let order = &view.order;
        let Some(assignment) = &order.assignment else {
            return;
        };
        if view.granted(self.me.account, assignment.provider, assignment.at) {
            return;
        }
        let handover = Handover {
            view,
            context,
            me: &self.me,
            occasion: 0,
        };
        let to = (assignment.provider, Role::Provider);
        let keys = self.keys.for_provider(order.attempt);
        handover.give(&mut self.desk, to, &keys, context.random);
    }

    fn grant_validators(&mut self, view: &View, context: &Context) {
        let order = &view.order;
        let Some(dispute) = order.dispute() else {
            return;
        };
        let checkpoint = match dispute.question {
            Question::Result => order.terms.segments(),
            _ => view.checkpoint_at(dispute.from.step).0,
        };
        let keys = self.keys.for_provider(order.attempt);
        let handover = Handover {
            view,
            context,
            me: &self.me,
            occasion: view.disputes(),
        };
        handover.give_validators(&mut self.desk, &keys.for_reader([checkpoint]));
    }

    /// Looks at the result of an accepted run.
    fn check(&mut self, view: &View, context: &Context) {
        let (order, now) = (&view.order, context.now);
        let tag = |what| Tag {
            attempt: order.attempt,
            occasion: 0,
            what,
        };
        let last = order.terms.segments();
        match &self.result {
            Delivery::Good => {
                let call = || Some(Call::Accept { order: order.id });
                self.desk.submit(order, (0, CallTag::Accept), now, call);
            }
            Delivery::Bad => self.complain(order, context),
            Delivery::Unseen => {
                // A result that no node serves is as good as none.
                if view.pressing(now) {
                    return self.complain(order, context);
                }
                let tag = tag(What::Checkpoint(last, 0));
                let file = order.trace.as_ref().map(|trace| trace.result);
                let (Some(file), Some(owner)) = (file, order.provider()) else {
                    return;
                };
                if self.desk.ask(tag, now) {
                    let key = self.keys.checkpoint(order.attempt, last);
                    self.desk.push(Output::Fetch {
                        tag,
                        file,
                        owner,
                        key,
                        content: None,
                    });
                }
            }
            Delivery::Fetched(bytes) => {
                let sets = [(0, self.keys.inputs())];
                self.inputs.fetch(order, 0, &sets, &mut self.desk, now);
                let Some(task) = self.inputs.task(order) else {
                    return;
                };
                let tag = tag(What::Replay(0));
                if self.desk.ask(tag, now) {
                    let end = StepIndex(order.terms.steps);
                    let work = Box::new(Work {
                        task,
                        start: Start::State(bytes.clone()),
                        from: end,
                        to: end,
                    });
                    self.desk.push(Output::Work { tag, work });
                }
            }
        }
    }

    fn checked(&mut self, result: Result<WorkDone, WorkFailure>) {
        let end = self.view.as_ref().and_then(|view| {
            let order = &view.order;
            order.opened(StepIndex(order.terms.steps))
        });
        match result {
            Ok(done) if end.is_some() && done.leaves.last() == end.as_ref() => {
                self.result = Delivery::Good;
            }
            Ok(_) | Err(WorkFailure::Refused(_)) => self.result = Delivery::Bad,
            Err(failure) => self.trouble(failure.to_string()),
        }
    }

    fn complain(&mut self, order: &Order, context: &Context) {
        // A verdict on this result is the last word on it.
        let judged = order
            .disputes
            .iter()
            .any(|d| d.question == Question::Result);
        if !judged {
            let call = || Some(Call::Complain { order: order.id });
            self.desk
                .submit(order, (0, CallTag::Complain), context.now, call);
        }
    }

    fn trouble(&mut self, why: String) {
        self.desk.push(Output::Progress(Progress::Trouble(why)));
    }
}
