//! The provider: runs the job, commits to its trace and answers for it.

mod answer;
mod run;
mod shown;
mod work;

use std::collections::BTreeSet;

use assay_ledger::{DeclineReason, Phase, Role, Run as RunRecord};
use assay_machine::Machine;

use self::run::{Entry, Run};
use self::shown::Shown;
use super::asked::Consent;
use super::shared::close;
use crate::desk::Desk;
use crate::inputs::Inputs;
use crate::keys::{InputKeys, RunKeys};
use crate::party::{
    Answer, CallTag, Context, FetchFailure, Identity, Input, Outcome, Output, Tag, Traced, What,
};
use crate::view::View;

/// The provider of one order.
///
/// Asked: it takes the order if its machine can do what the public terms ask for.
///
/// Running: it opens the requester's grant, fetches the inputs, stores copies of them that do not
/// depend on the requester, runs segment after segment, stores
/// a checkpoint at every boundary, the first and the last state included, and commits. It gives
/// the order back when keys or inputs do not open, which validators look at, or when the job takes
/// more memory than there is, which costs it the idle fee. What every machine refuses to run it commits to
/// as a run of no steps.
///
/// Afterwards it opens leaves and grants keys exactly when the ledger says so: starts and their
/// checkpoints' keys to the auditors before they replay, ends after all of them have committed,
/// midpoints in a dispute, and to the validators what they need to judge, of which it brings to other
/// storage nodes what they could not get. When the run stands it releases the key of its states to the
/// requester. Where its journal was rolled back to an earlier copy it does again what is missing; nothing
/// of what it signs depends on chance but the release's encryption.
pub struct Provider {
    me: Identity,
    desk: Desk,
    consent: Consent,
    /// Its own keys of the inputs, where the work is its part of a round.
    own: Option<InputKeys>,
    keys: Option<RunKeys>,
    inputs: Inputs,
    run: Option<Run>,
    /// Inputs of which it has a copy of its own in the vault, by their place in the terms.
    kept: BTreeSet<u32>,
    decline: Option<DeclineReason>,
    shown: Shown,
    started: bool,
    finished: bool,
}

impl Machine for Provider {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        match input {
            Input::Seed(seed) => self.desk.seed(seed),
            Input::Journal(entry) => self.remember(&entry),
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

/// Whether a run is bound to what it was.
fn is_committed(run: &RunRecord) -> bool {
    run.commitment.is_some() || run.trace.is_some()
}

impl Provider {
    /// A provider with an empty journal.
    pub fn new(me: Identity) -> Provider {
        Provider {
            inputs: Inputs::of(me.account),
            me,
            desk: Desk::default(),
            consent: Consent::default(),
            own: None,
            keys: None,
            run: None,
            kept: BTreeSet::new(),
            decline: None,
            shown: Shown::default(),
            started: false,
            finished: false,
        }
    }

    /// A trainer with an empty journal, in its part of a round: model and rows open with these keys, and
    /// nobody grants it any.
    pub fn of_own(me: Identity, keys: InputKeys) -> Provider {
        Provider {
            own: Some(keys),
            ..Provider::new(me)
        }
    }

    fn remember(&mut self, entry: &[u8]) {
        if let Ok(entry) = borsh::from_slice::<Entry>(entry) {
            let run = self.run.get_or_insert_with(|| Run::new(entry.attempt()));
            if run.attempt == entry.attempt() {
                run.replay(entry);
            }
        }
    }

    /// Notes what came of a request.
    fn take(&mut self, view: &View, tag: Tag, answer: Answer) {
        let now = view.height;
        match answer {
            Answer::Submitted(_) => self.desk.rest(tag, now),
            Answer::Weighed(result) => self.consent.weighed(tag, result, &mut self.desk),
            Answer::Input(result) => {
                self.desk.missed(tag, now, &result);
                if let Err(FetchFailure::TooLarge(_)) = &result {
                    self.decline = Some(DeclineReason::Unable);
                }
                if let What::Input(place, candidate) = tag.what {
                    self.inputs.fetched((place, candidate), result);
                }
            }
            Answer::Fetched(result) => {
                self.desk.missed(tag, now, &result);
                match (tag.what, result) {
                    (What::Checkpoint(..), result) => self.resumed(result),
                    (What::Reread(checkpoint), Ok(state)) => self.shown.reread(checkpoint, state),
                    _ => {}
                }
            }
            Answer::Stored(result) => match (tag.what, result, &mut self.run) {
                (What::Checkpoint(checkpoint, _), Ok(file), Some(run)) => {
                    let entry = run.stored(checkpoint, file);
                    self.desk.push(Output::Journal(entry.encode()));
                }
                (What::Copy(place), Ok(_), _) => {
                    self.kept.insert(place);
                }
                (What::Shown(piece), Ok(_), _) => self.shown.shown(piece),
                (_, Err(why), _) => {
                    self.desk.trouble(why);
                    self.desk.rest(tag, now);
                }
                _ => {}
            },
            Answer::Worked(result) => {
                if result.is_err() {
                    self.desk.rest(tag, now);
                }
                self.worked(view, result);
            }
            // It looks at no result.
            Answer::Examined(_) => {}
        }
    }

    fn act(&mut self, view: &View) {
        let order = &view.order;
        if self.finished {
            return;
        }
        let mine = order.run_of(self.me.account);
        let me = (self.me.account, Role::Provider);
        let asked = mine.is_none() && self.consent.act(view, me, &mut self.desk);
        if asked {
            return;
        }
        let was_mine = || order.failed().any(|run| run.provider == self.me.account);
        let searched = matches!(
            order.head.phase,
            Phase::Posted | Phase::Asked | Phase::Taken
        );
        // Others serve: it is asked again only with another list.
        let dismissed = mine.is_none() && (was_mine() || !searched);
        if let Some(outcome) = close(order).or(dismissed.then_some(Outcome::Dismissed)) {
            self.finished = true;
            self.desk.push(Output::End(outcome));
            return;
        }
        let Some(mine) = mine else {
            return;
        };
        self.begin(view, mine);
        let whole = |run: &Run| run.complete(&order.head.terms);
        let answers = is_committed(mine) && mine.released.is_none();
        if answers && !self.run.as_ref().is_some_and(whole) {
            // Its journal is older than its commitment: the same run comes out again.
            self.work(view);
        }
        match order.head.phase {
            Phase::Running if mine.commitment.is_none() => self.work(view),
            Phase::Opening => {
                self.grant_auditors(view);
                if mine.round().is_some_and(|round| round.starts.is_empty()) {
                    let starts = mine.starts(&order.head.terms);
                    self.open(view, CallTag::OpenStarts, &starts);
                }
            }
            Phase::Revealing if mine.commitment.is_some() && mine.trace.is_none() => {
                self.reveal(view, mine);
            }
            Phase::Closing if mine.round().is_some_and(|round| round.ends.is_empty()) => {
                self.open(view, CallTag::OpenEnds, &mine.ends(&order.head.terms));
            }
            Phase::Delivering if mine.released.is_none() => self.deliver(view, mine),
            Phase::Bisecting => self.bisect(view),
            Phase::Attesting => {
                self.grant_validators(view);
                self.show_again(view, mine);
            }
            _ => {}
        }
    }
}
