//! Running the job, up to the commitment.

use assay_ledger::{BoundedVec, Call, DeclineReason, Order, SegmentIndex, StepIndex};

use super::Provider;
use super::run::Run;
use crate::keys::{GrantUse, ProviderKeys};
use crate::party::{Ask, CallTag, FetchFailure, Output, Progress, Tag, What};
use crate::view::View;
use crate::work::{Start, Work, WorkDone, WorkFailure};

/// States that may wait for the vault before the run pauses.
const UNSTORED: usize = 2;

impl Provider {
    /// Opens the grant and takes the journal up, once.
    pub(super) fn begin(&mut self, order: &Order) {
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
    pub(super) fn work(&mut self, view: &View) {
        let (order, now) = (&view.order, view.height);
        if let Some(keys) = &self.keys {
            let sets = [(0, keys.inputs())];
            self.inputs.fetch(order, 0, &sets, &mut self.desk, now);
            if self.inputs.refuses(0) {
                self.decline = Some(DeclineReason::Inputs);
            }
        }
        let task = self.inputs.task(order);
        if task.is_none() && self.keys.is_some() && view.pressing() {
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
            self.desk.ask(tag, now, || {
                Some(Ask::Store {
                    name: format!("{}/{}/checkpoint-{checkpoint}", order.id, order.attempt),
                    key: keys.checkpoint(*checkpoint),
                    bytes: bytes.clone(),
                })
            });
        }
        if run.complete(&order.terms) {
            return self.commit(view);
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
        let Some((from, to)) = run.next(&order.terms) else {
            return;
        };
        let Some(state) = &run.state else {
            let tag = tag(What::Checkpoint(done, 0));
            self.desk.ask(tag, now, || {
                Some(Ask::Fetch {
                    file: *run.stored.get(&done)?,
                    owner: self.me.account,
                    key: keys.checkpoint(done),
                    content: None,
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

    pub(super) fn worked(&mut self, view: &View, result: Result<WorkDone, WorkFailure>) {
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
                if let Some(segments @ 1..) = run.done() {
                    let of = view.order.terms.segments();
                    let progress = Progress::Segment(SegmentIndex(segments - 1), of);
                    self.desk.push(Output::Report(progress));
                }
            }
            Err(WorkFailure::Refused(why) | WorkFailure::Unable(why)) => {
                self.decline = Some(DeclineReason::Specification);
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
        let root = run.trace(&order.terms).map(|trace| trace.root());
        let tag = (0, CallTag::CommitTrace);
        self.desk.submit(order, tag, view.height, || {
            let result = files.pop()?;
            Some(Call::CommitTrace {
                order: order.id,
                root: root?,
                checkpoints: BoundedVec::new(files).ok()?,
                result,
            })
        });
    }
}
