//! The thread that computes: one piece of work at a time, with all the kernel's threads.

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use assay_proof::{Programs, StepReport, Work, WorkDone, WorkFailure, Worker};
use tokio::sync::{mpsc, oneshot};

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
    /// Starts the thread, whose kernels take `threads`, or what is usual.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn start(
        name: &str,
        programs: Box<dyn Programs>,
        threads: Option<usize>,
    ) -> std::io::Result<Self> {
        let (queue, mut pieces) = mpsc::unbounded_channel::<Piece>();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        std::thread::Builder::new()
            .name(format!("compute-{name}"))
            .spawn(move || {
                assay_kernel::use_threads(threads);
                let mut worker = Worker::new(programs);
                while let Some(Piece {
                    work,
                    mut on_step,
                    answer,
                }) = pieces.blocking_recv()
                {
                    // A stranger's job must not end this thread for all jobs. `Worker` takes its kept
                    // program out before it runs it, so nothing half-done stays behind.
                    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| {
                        worker.run(&work, &mut |report| {
                            on_step(report);
                            // Nobody waits for the answer any more, or the node is going down.
                            if stopped.load(Ordering::Relaxed) || answer.is_closed() {
                                ControlFlow::Break(())
                            } else {
                                ControlFlow::Continue(())
                            }
                        })
                    }));
                    let result = ran.unwrap_or_else(|_| {
                        Err(WorkFailure::Refused("the program panicked".to_owned()))
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
