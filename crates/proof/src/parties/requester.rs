//! The requester: hands out keys, checks what comes back.

use assay_ledger::{Contradiction, Examined, OrderCall, Phase, Question, RunIndex};
use assay_machine::Machine;

use super::shared::{Handover, close};
use crate::desk::Desk;
use crate::keys::OrderKeys;
use crate::party::{
    Answer, Ask, CallTag, Context, FetchFailure, Identity, Input, Output, Tag, Traced, What,
};
use crate::view::View;

/// The requester of one order, which is on the ledger already.
///
/// It grants each run's provider the keys of the inputs, and the validators what it has of what a dispute
/// is about. When a run stands and its key is released, it fetches the result, compares it with the state that
/// the audited final leaf binds, and accepts. Where it is another one it shows the ledger where, which needs
/// nobody else; where it cannot be had it complains, and the validators look for themselves.
pub struct Requester {
    me: Identity,
    keys: OrderKeys,
    desk: Desk,
    /// The result as far as it was looked at.
    result: Delivery,
    /// Which run's result that is.
    looked_at: Option<RunIndex>,
    finished: bool,
}

enum Delivery {
    Unseen,
    Good,
    /// It is not what was promised, and this shows it.
    Bad(Box<Contradiction>),
    /// Something is there, but nothing that could be looked into.
    Unreadable,
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
            Answer::Examined(result) => {
                self.desk.missed(tag, now, &result);
                match result {
                    Ok(Examined::Good(_)) => self.result = Delivery::Good,
                    Ok(Examined::Bad(shows)) => self.result = Delivery::Bad(shows),
                    Err(FetchFailure::Corrupt(_)) => self.result = Delivery::Unreadable,
                    Err(FetchFailure::Unavailable(_) | FetchFailure::TooLarge(_)) => {}
                }
            }
            // It stores and computes nothing, and nobody asks it.
            Answer::Fetched(_)
            | Answer::Input(_)
            | Answer::Worked(_)
            | Answer::Stored(_)
            | Answer::Weighed(_) => {}
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
        match &self.result {
            Delivery::Good => {
                let order = order.head.id;
                let call = || Some(OrderCall::Accept { order });
                self.desk.submit(place, CallTag::Accept, now, call);
            }
            Delivery::Bad(shows) => {
                let call = || {
                    Some(OrderCall::Contradict {
                        place,
                        shown: self.keys.show(run)?,
                        contradiction: shows.clone(),
                    })
                };
                self.desk.submit(place, CallTag::Contradict, now, call);
            }
            Delivery::Unreadable => self.complain(view),
            Delivery::Unseen => {
                // A result that no node serves is as good as none.
                if view.pressing() {
                    return self.complain(view);
                }
                let what = What::Result(0);
                self.desk.ask(Tag { place, what }, now, || {
                    Some(Ask::Examine {
                        file: run.trace.as_ref()?.result,
                        owner: run.provider,
                        key: self.keys.result(run)?,
                        state: run.last?,
                    })
                });
            }
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
