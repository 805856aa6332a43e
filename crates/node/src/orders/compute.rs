//! The queue in front of the node's computing: one piece of work at a time.

use std::panic::AssertUnwindSafe;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use assay_proof::{StepReport, Work, WorkDone, WorkFailure};
use tokio::sync::{mpsc, oneshot};

use crate::worker::Runner;

/// Called after every step.
pub type OnStep = Box<dyn FnMut(&StepReport) + Send>;

struct Piece {
    work: Work,
    on_step: OnStep,
    answer: oneshot::Sender<Result<WorkDone, WorkFailure>>,
}

/// A queue of work in front of one thread. Cloning shares the queue; dropping the last clone ends
/// the thread after the step it is at.
#[derive(Clone)]
pub struct Compute {
    queue: mpsc::UnboundedSender<Piece>,
    stop: Arc<AtomicBool>,
}

impl Compute {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn start(name: &str, mut runner: Box<dyn Runner>) -> std::io::Result<Self> {
        let (queue, mut pieces) = mpsc::unbounded_channel::<Piece>();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        std::thread::Builder::new()
            .name(format!("compute-{name}"))
            .spawn(move || {
                while let Some(Piece {
                    work,
                    mut on_step,
                    answer,
                }) = pieces.blocking_recv()
                {
                    // Nobody waits for the answer any more, or the node is going down.
                    let stop = || stopped.load(Ordering::Relaxed) || answer.is_closed();
                    // What panics must not end this thread for all jobs.
                    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| {
                        runner.run(&work, &mut *on_step, &stop)
                    }));
                    let result = ran.unwrap_or_else(|panic| {
                        Err(WorkFailure::Local(crate::worker::panicked(&*panic)))
                    });
                    // The party may be gone; then so is the need for an answer.
                    let _ = answer.send(result);
                }
            })?;
        Ok(Self { queue, stop })
    }

    /// Queues a piece of work and waits for its result.
    ///
    /// # Errors
    /// See [`WorkFailure`]; [`WorkFailure::Stopped`] when the thread has ended.
    pub async fn run(&self, work: Work, on_step: OnStep) -> Result<WorkDone, WorkFailure> {
        let (answer, result) = oneshot::channel();
        self.queue
            .send(Piece {
                work,
                on_step,
                answer,
            })
            .map_err(|_| WorkFailure::Stopped)?;
        result.await.unwrap_or(Err(WorkFailure::Stopped))
    }

    /// Ends the piece under way after its current step, and every queued one at its first.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
