//! The requester: hands out keys, checks what comes back.

use assay_ledger::{OrderCall, Phase, Question, RunIndex, StepIndex};
use assay_machine::Machine;

use super::{Handover, close};
use crate::desk::Desk;
use crate::inputs::Inputs;
use crate::keys::OrderKeys;
use crate::party::{
    Answer, Ask, CallTag, Context, FetchFailure, Identity, Input, Output, Tag, Traced, What,
};
use crate::view::View;
use crate::work::{Start, Work, WorkDone, WorkFailure};

/// The requester of one order, which is on the ledger already.
///
/// It grants each run's provider the keys of the inputs, and the validators what it has of what a dispute
/// is about. When a run stands and its key is released, it fetches the result, checks it against the
/// audited final leaf and accepts, or complains: then the validators look for themselves.
pub struct Requester {
    me: Identity,
    keys: OrderKeys,
    desk: Desk,
    inputs: Inputs,
    /// The result as far as it was looked at.
    result: Delivery,
    /// Which run's result that is.
    looked_at: Option<RunIndex>,
    finished: bool,
}

enum Delivery {
    Unseen,
    Fetched(Vec<u8>),
    Good,
    Bad,
}

impl Machine for Requester {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        match input {
            Input::Seed(seed) => self.desk.seed(seed),
            // It keeps none.
            Input::Journal(_) => {}
            Input::Message { .. } => {}
            Input::News | Input::Wake => self.act(at.view),
            Input::Answer(tag, answer) => {
                if self.desk.answered(&tag) {
                    self.take(at.view, tag, answer);
                }
                self.act(at.view);
            }
        }
        self.desk.take()
    }
}

impl Requester {
    /// A requester that holds the order's keys. It keeps no journal.
    pub fn new(me: Identity, keys: OrderKeys) -> Requester {
        Requester {
            inputs: Inputs::of(me.account),
            me,
            keys,
            desk: Desk::default(),
            result: Delivery::Unseen,
            looked_at: None,
            finished: false,
        }
    }

    /// Notes what came of a request.
    fn take(&mut self, view: &View, tag: Tag, answer: Answer) {
        let now = view.height;
        match answer {
            Answer::Submitted(_) => self.desk.rest(tag, now),
            Answer::Input(result) => {
                self.desk.missed(tag, now, &result);
                if let What::Input(place, candidate) = tag.what {
                    self.inputs.fetched((place, candidate), result);
                }
            }
            Answer::Fetched(result) => {
                self.desk.missed(tag, now, &result);
                match result {
                    Ok(bytes) => self.result = Delivery::Fetched(bytes),
                    Err(FetchFailure::Corrupt(_)) => self.result = Delivery::Bad,
                    Err(FetchFailure::Unavailable(_) | FetchFailure::TooLarge(_)) => {}
                }
            }
            Answer::Worked(result) => {
                self.desk.rest(tag, now);
                self.checked(view, result);
            }
            // It stores nothing, and nobody asks it.
            Answer::Stored(_) | Answer::Weighed(_) => {}
        }
    }

    fn act(&mut self, view: &View) {
        let order = &view.order;
        if self.finished {
            return;
        }
        if let Some(outcome) = close(order) {
            self.finished = true;
            return self.desk.push(Output::End(outcome));
        }
        let looked_at = order.result_run().map(|run| run.index);
        if looked_at != self.looked_at {
            self.looked_at = looked_at;
            self.result = Delivery::Unseen;
            self.desk.clear();
        }
        match order.head.phase {
            Phase::Assigned => self.grant_providers(view),
            Phase::Attesting => self.grant_validators(view),
            Phase::Accepted => self.check(view),
            _ => {}
        }
    }

    fn grant_providers(&mut self, view: &View) {
        let order = &view.order;
        for run in order.standing() {
            let handover = Handover {
                view,
                me: &self.me,
                place: order.work(run.index),
            };
            let to = (run.provider, &run.encryption_key);
            let keys = self.keys.for_provider();
            let randomness = self.keys.randomness(&run.provider, &handover.place);
            handover.give(&mut self.desk, to, &keys, randomness);
        }
    }

    fn grant_validators(&mut self, view: &View) {
        let order = &view.order;
        let Some(dispute) = order.dispute() else {
            return;
        };
        let Some(run) = order.run_at(dispute.run) else {
            return;
        };
        let handover = Handover {
            view,
            me: &self.me,
            place: view.dispute(),
        };
        let keys = match dispute.question {
            Question::Beginning => {
                let work = order.work(run.index);
                self.keys.for_beginning(&run.provider, &work)
            }
            _ => self.keys.for_judge(run),
        };
        handover.give_validators(&mut self.desk, &keys);
    }

    /// Looks at the result of an accepted run.
    fn check(&mut self, view: &View) {
        let (order, now) = (&view.order, view.height);
        let Some(run) = order.result_run() else {
            return;
        };
        let place = order.work(run.index);
        let tag = |what| Tag { place, what };
        let last = order.head.terms.segments();
        match &self.result {
            Delivery::Good => {
                let order = order.head.id;
                let call = || Some(OrderCall::Accept { order });
                self.desk.submit(place, CallTag::Accept, now, call);
            }
            Delivery::Bad => self.complain(view),
            Delivery::Unseen => {
                // A result that no node serves is as good as none.
                if view.pressing() {
                    return self.complain(view);
                }
                self.desk.ask(tag(What::Checkpoint(last, 0)), now, || {
                    Some(Ask::Fetch {
                        file: run.trace.as_ref()?.result,
                        owner: run.provider,
                        key: self.keys.checkpoint(run, last)?,
                    })
                });
            }
            Delivery::Fetched(bytes) => {
                let sets = [(0, self.keys.inputs())];
                self.inputs.fetch(order, place, &sets, &mut self.desk, now);
                let Some(task) = self.inputs.task(order, run) else {
                    return;
                };
                let end = StepIndex(order.head.terms.steps);
                self.desk.ask(tag(What::Replay(0)), now, || {
                    Some(Ask::Work(Box::new(Work {
                        task,
                        start: Start::State(bytes.clone()),
                        from: end,
                        to: end,
                    })))
                });
            }
        }
    }

    fn checked(&mut self, view: &View, result: Result<WorkDone, WorkFailure>) {
        let order = &view.order;
        let end = StepIndex(order.head.terms.steps);
        let end = order.result_run().and_then(|run| run.opened(end));
        match result {
            Ok(done) if end.is_some() && done.leaves.last() == end.as_ref() => {
                self.result = Delivery::Good;
            }
            Ok(_) | Err(WorkFailure::Refused(_)) => self.result = Delivery::Bad,
            Err(failure) => self.desk.trouble(failure),
        }
    }

    fn complain(&mut self, view: &View) {
        let order = &view.order;
        // A verdict on this result is the last word on it.
        let Some(run) = order.result_run() else {
            return;
        };
        let place = order.work(run.index);
        let judged = order
            .disputes_of(place.run)
            .any(|d| d.question == Question::Result);
        if !judged {
            let order = order.head.id;
            let call = || Some(OrderCall::Complain { order });
            self.desk
                .submit(place, CallTag::Complain, view.height, call);
        }
    }
}
