//! Running the job, up to the commitment.

use assay_ledger::{
    BoundedVec, DeclineReason, Occasion, OrderCall, Place, Run as RunRecord, RunIndex,
    SegmentIndex, StepIndex, Trace as RunTrace,
};

use super::answer::NO_TRACE;
use super::run::Run;
use super::{Provider, is_committed};
use crate::keys::{GrantUse, InputKeys, RunKeys};
use crate::party::{Ask, CallTag, FetchFailure, Output, Progress, Tag, What};
use crate::view::View;
use crate::work::{Start, Work, WorkDone, WorkFailure};

/// States that may wait for the vault before the run pauses.
const UNSTORED: usize = 2;

impl Provider {
    /// Opens the grant and takes the journal up, once.
    pub(super) fn begin(&mut self, view: &View, mine: &RunRecord) {
        let (order, index) = (&view.order, mine.index);
        if !self.started {
            self.started = true;
            let run = self.run.get_or_insert_with(|| Run::new(index));
            match run.attempt == index {
                true => run.resume(),
                false => *run = Run::new(index),
            }
        }
        if let (None, Some(own)) = (&self.keys, &self.own) {
            let work = order.work(index);
            let keys = RunKeys::new(own.clone(), &self.me.encryption, &work);
            self.keys = Some(keys.with_update(&work));
        }
        if self.keys.is_none() {
            let granted = GrantUse {
                place: order.work(index),
                from: order.head.requester,
                to: self.me.account,
            };
            let Some(grant) = view.grant(granted.place, granted.from, granted.to) else {
                return;
            };
            let keys = granted
                .open::<InputKeys>(&self.me.encryption, &grant.sealed)
                .filter(|keys| keys.match_terms(&order.head.terms.keys))
                .filter(|keys| keys.inputs().len() == order.head.terms.inputs.len())
                .map(|keys| RunKeys::new(keys, &self.me.encryption, &granted.place));
            if keys.is_none() {
                self.decline = Some(DeclineReason::Keys);
            }
            self.keys = keys;
        }
    }

    /// One more piece of the run, or the commitment, if that is not made.
    pub(super) fn work(&mut self, view: &View) {
        let (order, now) = (&view.order, view.height);
        let Some(mine) = order.run_of(self.me.account) else {
            return;
        };
        let place = order.work(mine.index);
        let committed = is_committed(mine);
        if let Some(keys) = &self.keys {
            let sets = [(0, keys.inputs())];
            self.inputs.fetch(order, place, &sets, &mut self.desk, now);
            if self.inputs.refuses(0) {
                self.decline = Some(DeclineReason::Inputs);
            }
        }
        let task = self.inputs.task(order, mine);
        if task.is_none() && self.keys.is_some() && view.pressing() {
            self.decline = Some(DeclineReason::Inputs);
        }
        if self.own.is_some() && self.decline.is_some() && !committed {
            // Nobody waits for it: it misses the round.
            return;
        }
        if let Some(reason) = self.decline.filter(|_| !committed) {
            let call = || Some(OrderCall::Decline { place, reason });
            return self.desk.submit(place, CallTag::Decline, now, call);
        }
        let kept = committed || self.keep_inputs(view, place);
        let (Some(run), Some(keys), Some(task)) = (&mut self.run, &self.keys, task) else {
            return;
        };
        let tag = |what| Tag { place, what };
        for (checkpoint, bytes) in &run.unstored {
            let tag = tag(What::Checkpoint(*checkpoint, 0));
            self.desk.ask(tag, now, || {
                Some(Ask::Store {
                    name: format!("{}/{}/checkpoint-{checkpoint}", order.head.id, place.run),
                    key: keys.state(*checkpoint, order.head.terms.segments()),
                    bytes: bytes.clone(),
                })
            });
        }
        if run.complete(&order.head.terms) {
            // Without copies it depends on the requester's; to be late would cost it for sure.
            if !committed && (kept || view.pressing()) {
                self.commit(view);
            }
            return;
        }
        let Some(done) = run.done() else {
            let asked = self.desk.ask(tag(What::First), now, || {
                Some(Ask::Work(Box::new(Work {
                    task,
                    start: Start::Initial,
                    from: StepIndex(0),
                    to: StepIndex(0),
                })))
            });
            if asked {
                self.desk.push(Output::Report(Progress::Ready));
            }
            return;
        };
        let Some((from, to)) = run.next(&order.head.terms) else {
            return;
        };
        let Some(state) = &run.state else {
            let tag = tag(What::Checkpoint(done, 0));
            self.desk.ask(tag, now, || {
                Some(Ask::Fetch {
                    file: *run.stored.get(&done)?,
                    owner: self.me.account,
                    key: keys.state(done, order.head.terms.segments()),
                })
            });
            return;
        };
        if run.unstored.len() <= UNSTORED {
            self.desk.ask(tag(What::Segment(done)), now, || {
                Some(Ask::Work(Box::new(Work {
                    task,
                    start: Start::State(state.clone()),
                    from,
                    to,
                })))
            });
        }
    }

    /// Stores copies of the inputs that are here, and says whether there is one of each. What judges
    /// cannot fetch counts against the provider, and the requester, who chose where its own copies
    /// lie, may turn them off as soon as there is a commitment.
    fn keep_inputs(&mut self, view: &View, place: Place) -> bool {
        let (order, now) = (&view.order, view.height);
        if self.own.is_some() {
            // Its rows are its own, and validators keep the model.
            return true;
        }
        let Some(keys) = &self.keys else {
            return false;
        };
        for (at, (input, key)) in order
            .head
            .terms
            .inputs
            .iter()
            .zip(keys.inputs())
            .enumerate()
        {
            let Some(handle) = self.inputs.handle(at) else {
                continue;
            };
            let copy = at as u32;
            if self.kept.contains(&copy) {
                continue;
            }
            let what = What::Copy(copy);
            self.desk.ask(Tag { place, what }, now, || {
                Some(Ask::Keep {
                    name: format!("{}/{}/input-{at}", order.head.id, place.run),
                    file: input.file,
                    key: key.clone(),
                    bytes: handle.clone(),
                    again: false,
                })
            });
        }
        self.kept.len() == order.head.terms.inputs.len()
    }

    pub(super) fn worked(&mut self, view: &View, result: Result<WorkDone, WorkFailure>) {
        let Some(run) = &mut self.run else { return };
        match result {
            Ok(done) => {
                let entry = run.extend(done);
                self.desk.push(Output::Journal(entry.encode()));
                if let Some(segments @ 1..) = run.done() {
                    let of = view.order.head.terms.segments();
                    let progress = Progress::Segment(SegmentIndex(segments - 1), of);
                    self.desk.push(Output::Report(progress));
                }
            }
            Err(WorkFailure::Refused(why) | WorkFailure::Unable(why)) => {
                self.decline = Some(DeclineReason::Unable);
                self.desk.trouble(why);
            }
            Err(failure) => self.desk.trouble(failure),
        }
    }

    /// Takes the last checkpoint back after a restart.
    pub(super) fn resumed(&mut self, result: Result<Vec<u8>, FetchFailure>) {
        let Some(run) = &mut self.run else { return };
        match (result, run.done()) {
            (Ok(state), Some(done)) => {
                run.state = Some(state);
                let progress = Progress::Resumed(SegmentIndex(done));
                self.desk.push(Output::Report(progress));
            }
            (Err(FetchFailure::Corrupt(_)), _) => {
                run.restart();
                self.desk.clear();
            }
            _ => {}
        }
    }

    fn commit(&mut self, view: &View) {
        let order = &view.order;
        let Some(run) = &mut self.run else { return };
        let mut files: Vec<_> = run.stored.values().copied().collect();
        let root = run.trace(&order.head.terms).map(|trace| trace.root());
        let place = order.work(run.attempt);
        if let Some(of) = &order.head.audit_of {
            let place = Place {
                order: of.order,
                run: RunIndex(of.round.into()),
                occasion: Occasion::Work,
            };
            return self.send(view, place);
        }
        if order.head.terms.copies > 1 {
            let commitment = root.zip(files.split_last()).and_then(|(root, files)| {
                let (result, checkpoints) = files;
                let trace = (&root, checkpoints, result);
                let keys = self.keys.as_ref()?;
                let (lock, salt) = (keys.lock(), keys.salt());
                let provider = self.me.account;
                Some(RunTrace::commitment(
                    &place,
                    provider,
                    trace,
                    (&lock, &salt),
                ))
            });
            let tag = CallTag::CommitRun;
            return self.desk.submit(place, tag, view.height, || {
                Some(OrderCall::CommitRun {
                    place,
                    commitment: commitment?,
                })
            });
        }
        let tag = CallTag::CommitTrace;
        let counted = run.counts();
        let lock = self.keys.as_ref().map(RunKeys::lock);
        self.desk.submit(place, tag, view.height, || {
            let result = files.pop()?;
            let (counts, first_invalid) = counted?;
            Some(OrderCall::CommitTrace {
                place,
                root: root?,
                checkpoints: BoundedVec::new(files).ok()?,
                result,
                counts,
                first_invalid,
                lock: lock?,
            })
        });
    }

    /// Commits to its part of a round, and to the update that it gives.
    fn send(&mut self, view: &View, place: Place) {
        let order = &view.order;
        let (Some(run), Some(keys)) = (&mut self.run, &self.keys) else {
            return;
        };
        let terms = &order.head.terms;
        let mut files: Vec<_> = run.stored.values().copied().collect();
        let work = order.work(run.attempt);
        let tag = CallTag::CommitTrace;
        self.desk.submit(work, tag, view.height, || {
            let root = run.trace(terms)?.root();
            let ends = [StepIndex(0), StepIndex(terms.steps)];
            let openings = ends.iter().map(|step| run.opening(terms, *step));
            let openings: Option<Vec<_>> = openings.collect();
            let update = files.pop()?;
            let (_, first_invalid) = run.counts()?;
            Some(OrderCall::CommitUpdate {
                place,
                root,
                checkpoints: BoundedVec::new(files).ok()?,
                update,
                first_invalid,
                lock: keys.lock(),
                openings: BoundedVec::new(openings?).ok()?,
            })
        });
    }

    /// Shows the run that was committed to.
    pub(super) fn reveal(&mut self, view: &View, mine: &RunRecord) {
        let terms = &view.order.head.terms;
        let place = view.order.work(mine.index);
        let (Some(run), Some(keys)) = (&mut self.run, &self.keys) else {
            return;
        };
        let mut files: Vec<_> = run.stored.values().copied().collect();
        let Some(root) = run.trace(terms).map(|trace| trace.root()) else {
            return self.desk.trouble(NO_TRACE);
        };
        let tag = CallTag::RevealRun;
        self.desk.submit(place, tag, view.height, || {
            let ends = [StepIndex(0), StepIndex(terms.steps)];
            let openings = ends.iter().map(|step| run.opening(terms, *step));
            let openings: Option<Vec<_>> = openings.collect();
            let result = files.pop()?;
            let (_, first_invalid) = run.counts()?;
            Some(OrderCall::RevealRun {
                place,
                root,
                checkpoints: BoundedVec::new(files).ok()?,
                result,
                first_invalid,
                lock: keys.lock(),
                salt: keys.salt(),
                openings: BoundedVec::new(openings?).ok()?,
            })
        });
    }
}
