//! The provider: runs the job, commits to its trace and answers for it.

mod answer;
mod run;
mod work;

use assay_ledger::{DeclineReason, Phase};

use self::run::{Entry, Run};
use super::close;
use crate::desk::Desk;
use crate::inputs::Inputs;
use crate::keys::ProviderKeys;
use crate::party::{
    CallTag, Context, FetchFailure, Identity, Input, Outcome, Output, Party, Progress, What,
};
use crate::view::View;

/// The provider of one order.
///
/// Running: it opens the requester's grant, fetches the inputs, runs segment after segment, stores
/// a checkpoint at every boundary, the first and the last state included, and commits. It gives
/// the order back when keys or inputs do not open, the specification makes no sense, or the job
/// takes more memory than there is.
///
/// Afterwards it opens leaves and grants keys exactly when the ledger says so: starts and their
/// checkpoints' keys to the auditors before they replay, ends after all of them have committed,
/// midpoints in a dispute, and to the validators what they need to judge.
pub struct Provider {
    me: Identity,
    view: Option<Box<View>>,
    desk: Desk,
    keys: Option<ProviderKeys>,
    inputs: Inputs,
    run: Option<Run>,
    decline: Option<DeclineReason>,
    started: bool,
    finished: bool,
}

impl Party for Provider {
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

impl Provider {
    /// A provider with an empty journal.
    pub fn new(me: Identity) -> Provider {
        Provider {
            me,
            view: None,
            desk: Desk::default(),
            keys: None,
            inputs: Inputs::default(),
            run: None,
            decline: None,
            started: false,
            finished: false,
        }
    }

    /// Notes what an input says; gives back a new view.
    fn take(&mut self, context: &Context, input: Input) -> Option<Box<View>> {
        let now = context.now;
        match input {
            Input::Order(view) => return Some(view),
            Input::Journal(bytes) => {
                if let Ok(entry) = borsh::from_slice::<Entry>(&bytes) {
                    let run = self.run.get_or_insert_with(|| Run::new(entry.attempt()));
                    if run.attempt == entry.attempt() {
                        run.replay(entry);
                    }
                }
            }
            Input::Submitted { tag, .. } => {
                self.desk.answered(&tag);
                self.desk.rest(tag, now);
            }
            Input::Fetched { tag, result } if self.desk.answered(&tag) => {
                if let Err(failure) = &result {
                    self.trouble(failure.to_string());
                    self.desk.rest(tag, now);
                }
                if let Err(FetchFailure::TooLarge(_)) = &result {
                    self.decline = Some(DeclineReason::Inputs);
                }
                match tag.what {
                    What::Input(place, candidate) => {
                        self.inputs.fetched((place, candidate), result);
                    }
                    What::Checkpoint(..) => self.resumed(result),
                    _ => {}
                }
            }
            Input::Stored { tag, result } if self.desk.answered(&tag) => {
                match (tag.what, result, &mut self.run) {
                    (What::Checkpoint(checkpoint, _), Ok(file), Some(run)) => {
                        let entry = run.stored(checkpoint, file);
                        self.desk.push(Output::Journal(entry.encode()));
                    }
                    (_, Err(why), _) => {
                        self.trouble(why);
                        self.desk.rest(tag, now);
                    }
                    _ => {}
                }
            }
            Input::Worked { tag, result } if self.desk.answered(&tag) => {
                if result.is_err() {
                    self.desk.rest(tag, now);
                }
                self.worked(result);
            }
            Input::Fetched { .. } | Input::Stored { .. } | Input::Worked { .. } => {}
        }
        None
    }

    fn act(&mut self, view: &View, context: &Context) {
        let order = &view.order;
        if self.finished {
            return;
        }
        let mine = order.provider() == Some(self.me.account);
        let was_mine = order.failures.iter().any(|f| f.provider == self.me.account);
        if let Some(outcome) = close(order).or((!mine && was_mine).then_some(Outcome::Dismissed)) {
            self.finished = true;
            self.desk.push(Output::Finished(outcome));
            return;
        }
        if !mine {
            return;
        }
        self.begin(order);
        match order.phase {
            Phase::Running => self.work(view, context),
            Phase::Opening => {
                self.grant_auditors(view, context);
                if order.round().is_some_and(|round| round.starts.is_empty()) {
                    self.open(view, context, CallTag::OpenStarts, &order.starts());
                }
            }
            Phase::Closing if order.round().is_some_and(|round| round.ends.is_empty()) => {
                self.open(view, context, CallTag::OpenEnds, &order.ends());
            }
            Phase::Bisecting => self.bisect(view, context),
            Phase::Attesting => self.grant_validators(view, context),
            _ => {}
        }
    }

    fn trouble(&mut self, why: String) {
        self.desk.push(Output::Progress(Progress::Trouble(why)));
    }
}
