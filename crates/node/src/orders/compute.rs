//! The queue in front of the node's computing: one piece of work at a time, the one that is due first
//! before the others.
//!
//! A long piece is done in slices, each from the state that the last one ended with, and between two
//! slices whatever is due first goes on. So a replay that takes hours, which somebody else may have
//! chosen, does not make everything else of this node late. What is overdue goes last: it is no use to
//! anybody, and would otherwise hold up the rest for ever.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use assay_ledger::StepIndex;
use assay_proof::{Start, StepReport, Work, WorkDone, WorkFailure};
use tokio::sync::oneshot;

use crate::worker::Runner;

/// Called after every step.
pub type OnStep = Box<dyn FnMut(&StepReport) + Send>;

/// Says when a piece of work is due, in milliseconds of ledger time; the largest number once that is
/// past, or where nobody waits for it. Asked whenever the queue decides what comes next.
pub type Due = Box<dyn Fn() -> u64 + Send>;

/// Time after which the queue looks again what is due first. Ending a slice and beginning the next one
/// takes the time to write and read a state, which is to be little beside it.
const SLICE: Duration = Duration::from_secs(20);

/// Steps of the first slice, before it is known how long one takes.
const FIRST_STEPS: u64 = 4;

type Outcome = Result<WorkDone, WorkFailure>;

struct Piece {
    /// What is left to do.
    work: Work,
    /// What is done.
    done: Option<WorkDone>,
    due: Due,
    arrival: u64,
    /// Steps of the next slice.
    steps: u64,
    on_step: OnStep,
    answer: oneshot::Sender<Outcome>,
}

impl Piece {
    /// The next slice.
    fn slice(&self) -> Work {
        let to = self.work.from.0.saturating_add(self.steps);
        Work {
            to: StepIndex(to.min(self.work.to.0)),
            ..self.work.clone()
        }
    }

    /// Takes what a slice found; what is to be answered, once all of it is done.
    fn take(
        &mut self,
        slice: WorkDone,
        to: StepIndex,
        took: Duration,
        target: Duration,
    ) -> Option<WorkDone> {
        let steps = to.0.saturating_sub(self.work.from.0).max(1);
        let each = took.as_nanos() / u128::from(steps);
        let fit = target.as_nanos().checked_div(each.max(1)).unwrap_or(1);
        // What it took includes the loading of the first slice; so it grows by steps.
        let most = steps.saturating_mul(4);
        self.steps = u64::try_from(fit).unwrap_or(u64::MAX).clamp(1, most);
        let done = match self.done.take() {
            None => slice,
            Some(before) => {
                let (mut leaves, mut reports) = (before.leaves, before.reports);
                // The first leaf is the last one of what was done before.
                leaves.extend(slice.leaves.into_iter().skip(1));
                reports.extend(slice.reports);
                WorkDone {
                    leaves,
                    reports,
                    ..slice
                }
            }
        };
        if to >= self.work.to {
            return Some(done);
        }
        self.work.from = to;
        let mut done = done;
        self.work.start = Start::State(std::mem::take(&mut done.state));
        self.done = Some(done);
        None
    }
}

/// What waits, and whether anybody can add to it.
#[derive(Default)]
struct Waiting {
    pieces: Vec<Piece>,
    arrivals: u64,
    closed: bool,
}

impl Waiting {
    /// Takes out the piece that is due first, of equal ones the one that came first; pieces for which
    /// nobody waits any more are dropped.
    fn next(&mut self) -> Option<Piece> {
        self.pieces.retain(|piece| !piece.answer.is_closed());
        let ranked = self.pieces.iter().enumerate();
        let first = ranked.min_by_key(|(_, piece)| ((piece.due)(), piece.arrival));
        let (place, _) = first?;
        Some(self.pieces.swap_remove(place))
    }
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    stop: AtomicBool,
}

impl Queue {
    fn with<T>(&self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a piece; `None` once no more can come.
    fn next(&self) -> Option<Piece> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(piece) = waiting.next() {
                return Some(piece);
            }
            if waiting.closed {
                return None;
            }
            let changed = self.changed.wait(waiting);
            waiting = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Closes the queue when the last clone of its owner is gone.
struct Owner(Arc<Queue>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.with(|waiting| waiting.closed = true);
        self.0.changed.notify_all();
    }
}

/// A queue of work in front of one thread. Cloning shares the queue; dropping the last clone ends
/// the thread after the step it is at.
#[derive(Clone)]
pub struct Compute {
    owner: Arc<Owner>,
}

impl Compute {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn start(name: &str, runner: Box<dyn Runner>) -> std::io::Result<Self> {
        Self::sliced(name, runner, SLICE)
    }

    fn sliced(name: &str, mut runner: Box<dyn Runner>, target: Duration) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let shared = queue.clone();
        std::thread::Builder::new()
            .name(format!("compute-{name}"))
            .spawn(move || {
                while let Some(piece) = shared.next() {
                    go_on(&mut *runner, &shared, piece, target);
                }
            })?;
        Ok(Self {
            owner: Arc::new(Owner(queue)),
        })
    }

    /// Queues a piece of work and waits for its result.
    ///
    /// # Errors
    /// See [`WorkFailure`]; [`WorkFailure::Stopped`] when the thread has ended.
    pub async fn run(
        &self,
        work: Work,
        due: Due,
        on_step: OnStep,
    ) -> Result<WorkDone, WorkFailure> {
        let result = self.enqueue(work, due, on_step);
        result.await.unwrap_or(Err(WorkFailure::Stopped))
    }

    fn enqueue(&self, work: Work, due: Due, on_step: OnStep) -> oneshot::Receiver<Outcome> {
        let (answer, result) = oneshot::channel();
        add(&self.owner.0, work, due, on_step, answer);
        result
    }

    /// Ends the piece under way after its current step, and every queued one at its first.
    pub fn stop(&self) {
        self.owner.0.stop.store(true, Ordering::Relaxed);
    }
}

fn add(queue: &Queue, work: Work, due: Due, on_step: OnStep, answer: oneshot::Sender<Outcome>) {
    queue.with(|waiting| {
        waiting.arrivals += 1;
        waiting.pieces.push(Piece {
            work,
            done: None,
            due,
            arrival: waiting.arrivals,
            steps: FIRST_STEPS,
            on_step,
            answer,
        });
    });
    queue.changed.notify_all();
}

/// Does one slice of a piece, and answers it or puts it back.
fn go_on(runner: &mut dyn Runner, queue: &Queue, mut piece: Piece, target: Duration) {
    let slice = piece.slice();
    let began = Instant::now();
    // Nobody waits for the answer any more, or the node is going down.
    let stop = || queue.stop.load(Ordering::Relaxed) || piece.answer.is_closed();
    let on_step = &mut piece.on_step;
    // What panics must not end this thread for all jobs.
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| {
        runner.run(&slice, &mut **on_step, &stop)
    }));
    let result =
        ran.unwrap_or_else(|panic| Err(WorkFailure::Local(crate::worker::panicked(&*panic))));
    let result = match result {
        Ok(done) => match piece.take(done, slice.to, began.elapsed(), target) {
            Some(done) => Ok(done),
            None => {
                queue.with(|waiting| waiting.pieces.push(piece));
                return;
            }
        },
        Err(failure) => Err(failure),
    };
    // The party may be gone; then so is the need for an answer.
    let _ = piece.answer.send(result);
}

#[cfg(test)]
#[path = "compute_tests.rs"]
mod tests;
