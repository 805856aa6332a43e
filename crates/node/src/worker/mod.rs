//! Where strangers' programs run: in a process of their own, with a limit on its memory.
//!
//! A job is bytes from somebody else. Whatever it makes its program do (take all memory, overflow a
//! stack, panic), the node must go on: it may be a validator whose chain everybody waits for. So a
//! node computes in a *worker*: the same program, started again as `assay worker`, which
//!
//! - limits its own private writable memory (`RLIMIT_DATA`) and writes no core dump, before it reads
//!   anything;
//! - has none of the node's descriptors but standard input, output and error (what the node was
//!   itself started with, as by a shell that left a file open, it has), an environment of a few
//!   variables, and an empty folder of its own to stand in;
//! - ends when its standard input closes, which is also what happens when the node is killed.
//!
//! The two speak in frames (`frame.rs`) over the worker's standard input and output. Long inputs do
//! not go that way: the worker is told where their sealed files lie, and their keys. A worker lives from
//! the first piece of work to the node's end. When it dies, whatever was under way is tried again in
//! a new one, a few times, after a growing pause; then the node says that it cannot do this work. A
//! death is never a finding about anybody else's work.
//!
//! The nodes of a development network share one worker, each at a desk of its own, so that a model is
//! in memory once and not once for each role.

mod desk;
mod frame;
mod process;
mod serve;
#[cfg(test)]
mod tests;

use assay_proof::{Programs, StepReport, Work, WorkDone, WorkFailure, Worker};

pub use self::desk::WorkerDesk;
pub use self::frame::{Answer, Ask, MAX_FRAME, Piece, read_frame, write_frame};
pub use self::process::WorkerProcess;
pub(crate) use self::serve::{panicked, said};
pub use self::serve::{run_worker, serve};

/// Performs pieces of work, one at a time.
pub trait Runner: Send {
    /// Performs one, telling `on_step` of each step, until it is done or `stop` says so.
    ///
    /// # Errors
    /// See [`WorkFailure`]. A failure leaves the runner usable.
    fn run(
        &mut self,
        work: &Work,
        on_step: &mut dyn FnMut(&StepReport),
        stop: &dyn Fn() -> bool,
    ) -> Result<WorkDone, WorkFailure>;
}

/// Runs programs in this process: for tests, and for programs that are not a stranger's.
pub struct InProcess(Worker);

impl InProcess {
    /// A runner of these programs.
    pub fn new(programs: Box<dyn Programs>) -> Self {
        Self(Worker::new(programs))
    }
}

impl Runner for InProcess {
    fn run(
        &mut self,
        work: &Work,
        on_step: &mut dyn FnMut(&StepReport),
        stop: &dyn Fn() -> bool,
    ) -> Result<WorkDone, WorkFailure> {
        use std::ops::ControlFlow::{Break, Continue};
        self.0.run(work, &mut |report| {
            on_step(report);
            if stop() { Break(()) } else { Continue(()) }
        })
    }
}
