//! The provider: runs the job, commits to its trace and answers for it.

use assay_ledger::{
    BoundedVec, Call, DeclineReason, Order, Phase, Question, Role, SegmentIndex, StepIndex,
};

use super::run::{Entry, Run};
use super::{Handover, close, opening_list};
use crate::desk::Desk;
use crate::inputs::Inputs;
use crate::keys::{GrantUse, ProviderKeys};
use crate::party::{
    CallTag, Context, FetchFailure, Identity, Input, Outcome, Output, Party, Progress, Tag, What,
};
use crate::view::View;
use crate::work::{Start, Work, WorkDone, WorkFailure};

/// States that may wait for the vault before the run pauses.
const UNSTORED: usize = 2;

const NO_TRACE: &str = "the journal holds no whole trace to open; restore it from a backup";

/// The provider of one order.
///
/// Running: it opens the requester's grant, fetches the inputs, runs segment after segment, stores
/// a checkpoint at every boundary, the first and the last state included, and commits. It gives
/// the order back when keys or inputs do not open or the specification makes no sense.
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

    /// Opens the grant and takes the journal up, once.
    fn begin(&mut self, order: &Order) {
        if !self.started {
            self.started = true;
            let run = self.run.get_or_insert_with(|| Run::new(order.attempt));
            match run.attempt == order.attempt {
                true => run.resume(),
                false => *run = Run::new(order.attempt),
            }
        }
        if self.keys.is_none() {
            let mut grants = order.grants_to(self.me.account);
            let Some(grant) = grants.find(|grant| grant.from == order.requester) else {
                return;
            };
            let granted = GrantUse {
                order: order.id,
                attempt: order.attempt,
                from: order.requester,
                to: self.me.account,
            };
            let keys = granted
                .open::<ProviderKeys>(&self.me.encryption, &grant.sealed)
                .filter(|keys| keys.match_terms(&order.terms.keys, order.attempt))
                .filter(|keys| keys.inputs().len() == order.terms.inputs.len());
            if keys.is_none() {
                self.decline = Some(DeclineReason::Keys);
            }
            self.keys = keys;
        }
    }

    /// One more piece of the run, or the commitment.
    fn work(&mut self, view: &View, context: &Context) {
        let (order, now) = (&view.order, context.now);
        if let Some(keys) = &self.keys {
            let sets = [(0, keys.inputs())];
            self.inputs.fetch(order, 0, &sets, &mut self.desk, now);
            if self.inputs.refuses(0) {
                self.decline = Some(DeclineReason::Inputs);
            }
        }
        let task = self.inputs.task(order);
        if task.is_none() && self.keys.is_some() && view.pressing(now) {
            self.decline = Some(DeclineReason::Inputs);
        }
        if let Some(reason) = self.decline {
            let id = order.id;
            let call = || Some(Call::Decline { order: id, reason });
            return self.desk.submit(order, (0, CallTag::Decline), now, call);
        }
        let (Some(run), Some(keys), Some(task)) = (&mut self.run, &self.keys, task) else {
            return;
        };
        let tag = |what| Tag {
            attempt: order.attempt,
            occasion: 0,
            what,
        };
        for (checkpoint, bytes) in &run.unstored {
            let tag = tag(What::Checkpoint(*checkpoint, 0));
            if self.desk.ask(tag, now) {
                self.desk.push(Output::Store {
                    tag,
                    name: format!("{}/{}/checkpoint-{checkpoint}", order.id, order.attempt),
                    key: keys.checkpoint(*checkpoint),
                    bytes: bytes.clone(),
                });
            }
        }
        if run.complete(&order.terms) {
            return self.commit(order, context);
        }
        let Some(done) = run.done() else {
            let tag = tag(What::First);
            if self.desk.ask(tag, now) {
                self.desk.push(Output::Progress(Progress::Ready));
                let work = Box::new(Work {
                    task,
                    start: Start::Initial,
                    from: StepIndex(0),
                    to: StepIndex(0),
                });
                self.desk.push(Output::Work { tag, work });
            }
            return;
        };
        let Some((from, to)) = run.next(&order.terms) else {
            return;
        };
        let Some(state) = &run.state else {
            let tag = tag(What::Checkpoint(done, 0));
            if let Some(file) = run.stored.get(&done).filter(|_| self.desk.ask(tag, now)) {
                self.desk.push(Output::Fetch {
                    tag,
                    file: *file,
                    owner: self.me.account,
                    key: keys.checkpoint(done),
                    content: None,
                });
            }
            return;
        };
        let tag = tag(What::Segment(done));
        if run.unstored.len() <= UNSTORED && self.desk.ask(tag, now) {
            let work = Box::new(Work {
                task,
                start: Start::State(state.clone()),
                from,
                to,
            });
            self.desk.push(Output::Work { tag, work });
        }
    }

    fn worked(&mut self, result: Result<WorkDone, WorkFailure>) {
        let Some(run) = &mut self.run else { return };
        match result {
            Ok(mut done) => {
                // The leaf that a segment starts from came with the segment before it.
                let fresh = match run.done() {
                    None => done.leaves,
                    Some(_) => done.leaves.split_off(1),
                };
                let entry = run.extend(fresh, done.state);
                self.desk.push(Output::Journal(entry.encode()));
                if let (Some(view), Some(segments @ 1..)) = (&self.view, run.done()) {
                    let of = view.order.terms.segments();
                    let progress = Progress::Segment(SegmentIndex(segments - 1), of);
                    self.desk.push(Output::Progress(progress));
                }
            }
            Err(WorkFailure::Refused(why)) => {
                self.decline = Some(DeclineReason::Specification);
                self.trouble(why);
            }
            Err(failure) => self.trouble(failure.to_string()),
        }
    }

    /// Takes the last checkpoint back after a restart.
    fn resumed(&mut self, result: Result<Vec<u8>, FetchFailure>) {
        let Some(run) = &mut self.run else { return };
        match (result, run.done()) {
            (Ok(state), Some(done)) => {
                run.state = Some(state);
                let progress = Progress::Resumed(SegmentIndex(done));
                self.desk.push(Output::Progress(progress));
            }
            (Err(FetchFailure::Corrupt(_)), _) => {
                run.restart();
                self.desk.clear();
            }
            _ => {}
        }
    }

    fn commit(&mut self, order: &Order, context: &Context) {
        let Some(run) = &mut self.run else { return };
        let mut files: Vec<_> = run.stored.values().copied().collect();
        let root = run.trace(&order.terms).map(|trace| trace.root());
        let tag = (0, CallTag::CommitTrace);
        self.desk.submit(order, tag, context.now, || {
            let result = files.pop()?;
            Some(Call::CommitTrace {
                order: order.id,
                root: root?,
                checkpoints: BoundedVec::new(files).ok()?,
                result,
            })
        });
    }

    fn open(&mut self, view: &View, context: &Context, tag: CallTag, steps: &[StepIndex]) {
        let order = &view.order;
        let trace = self.run.as_mut().and_then(|run| run.trace(&order.terms));
        let Some(trace) = trace else {
            return self.trouble(NO_TRACE.to_owned());
        };
        self.desk
            .submit(order, (view.round(), tag), context.now, || {
                let (order, openings) = (order.id, opening_list(trace, steps)?);
                Some(match tag {
                    CallTag::OpenStarts => Call::OpenStarts { order, openings },
                    _ => Call::OpenEnds { order, openings },
                })
            });
    }

    fn grant_auditors(&mut self, view: &View, context: &Context) {
        let order = &view.order;
        let (Some(keys), Some(round)) = (&self.keys, order.round()) else {
            return;
        };
        let granted = keys.for_reader(order.stretches().iter().map(|(first, _)| first.0));
        let handover = Handover {
            view,
            context,
            me: &self.me,
            occasion: view.round(),
        };
        for seat in &round.seats {
            if view.granted(self.me.account, seat.auditor, round.at) {
                continue;
            }
            let randomness = keys.randomness(&seat.auditor, view.round());
            let to = (seat.auditor, Role::Auditor);
            handover.give(&mut self.desk, to, &granted, randomness);
        }
    }

    fn grant_validators(&mut self, view: &View, context: &Context) {
        let order = &view.order;
        let (Some(keys), Some(dispute)) = (&self.keys, order.dispute()) else {
            return;
        };
        let granted = match dispute.question {
            Question::Start => {
                let first = order.stretches();
                let mut granted = keys.for_reader(first.iter().map(|(first, _)| first.0));
                granted.witness = Some(keys.randomness(&dispute.challenger, view.round()));
                granted
            }
            Question::Initial | Question::Step => {
                keys.for_reader([view.checkpoint_at(dispute.from.step).0])
            }
            Question::Result => keys.for_reader([order.terms.segments()]),
        };
        let handover = Handover {
            view,
            context,
            me: &self.me,
            occasion: view.disputes(),
        };
        handover.give_validators(&mut self.desk, &granted);
    }

    fn bisect(&mut self, view: &View, context: &Context) {
        let order = &view.order;
        let Some(dispute) = order.dispute().filter(|d| d.provider_move.is_none()) else {
            return;
        };
        let (Some(middle), Some(run)) = (dispute.middle(), &mut self.run) else {
            return;
        };
        let Some(trace) = run.trace(&order.terms) else {
            return self.trouble(NO_TRACE.to_owned());
        };
        let tag = CallTag::Bisect(dispute.agreed.step.0, dispute.disputed.step.0);
        self.desk
            .submit(order, (view.disputes(), tag), context.now, || {
                let opening = trace.opening(middle)?;
                Some(Call::Bisect {
                    order: order.id,
                    leaf: opening.leaf,
                    path: Some(opening.path),
                })
            });
    }

    fn trouble(&mut self, why: String) {
        self.desk.push(Output::Progress(Progress::Trouble(why)));
    }
}
