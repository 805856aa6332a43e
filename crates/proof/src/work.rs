//! Pieces of computation that a party asks its driver for, and the code that performs them.

use std::ops::ControlFlow;

use assay_crypto::Digest;
use assay_ledger::{Reached, StepIndex, Terms};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::counted::Counted;
use crate::program::{MAX_STATE_BYTES, Program, ProgramError, Programs, StepReport, Task};
use crate::refused::build;

/// A run of steps `from + 1 ..= to`, beginning with the state at `from`.
#[derive(Clone, PartialEq, Eq)]
pub struct Work {
    /// What is computed.
    pub task: Task,
    /// Where `state[from]` comes from.
    pub start: Start,
    /// Index of the state to begin with.
    pub from: StepIndex,
    /// Index of the last state; equal to `from` when only that state's leaf is wanted.
    pub to: StepIndex,
}

/// The state a run begins with.
#[derive(Clone, PartialEq, Eq)]
pub enum Start {
    /// As the specification makes it; only at step 0.
    Initial,
    /// The file of a state, from a checkpoint: see [`StateFile`](assay_ledger::StateFile).
    State(Vec<u8>),
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkDone {
    /// Trace leaves of the states `from..=to`.
    pub leaves: Vec<Digest>,
    /// What the last of them is made of.
    pub last: Reached,
    /// The file of the state at `to`: see [`StateFile`](assay_ledger::StateFile).
    pub state: Vec<u8>,
    /// One report for each step taken.
    pub reports: Vec<StepReport>,
}

/// Why a run gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, BorshSerialize, BorshDeserialize)]
pub enum WorkFailure {
    /// Every machine would refuse it alike: wrong specification, inputs or starting state.
    #[error("no machine can do this work: {0}")]
    Refused(String),
    /// This machine will not do it, now or later, for instance because it takes more memory than
    /// there is: a provider gives the order back, others find nothing.
    #[error("this machine cannot do the work: {0}")]
    Unable(String),
    /// Only this machine failed; the party asks again.
    #[error("this machine could not do the work: {0}; it will be tried again")]
    Local(String),
    /// The driver asked it to stop, for instance at shutdown.
    #[error("the work was stopped; it is taken up again at the next start")]
    Stopped,
}

impl From<ProgramError> for WorkFailure {
    fn from(error: ProgramError) -> WorkFailure {
        match error {
            ProgramError::Refused(why) => WorkFailure::Refused(why),
            ProgramError::TooLarge(why) => WorkFailure::Unable(why),
            ProgramError::Local(why) => WorkFailure::Local(why),
        }
    }
}

/// Performs work, one piece at a time, on whatever thread its owner gives it.
///
/// The last task's program is kept, since a provider's segments and an auditor's replays share
/// it; each run begins with `restart` or `restore`, so nothing of an earlier run reaches a later
/// one, and a program that failed is dropped.
pub struct Worker {
    programs: Box<dyn Programs>,
    ready: Option<(Task, Box<dyn Program>)>,
}

impl Worker {
    /// A worker for the given job kinds.
    pub fn new(programs: Box<dyn Programs>) -> Worker {
        Worker {
            programs,
            ready: None,
        }
    }

    /// Performs one piece of work, reporting each step; `progress` may stop it.
    ///
    /// # Errors
    /// See [`WorkFailure`]. A failure leaves the worker usable.
    pub fn run(
        &mut self,
        work: &Work,
        progress: &mut dyn FnMut(&StepReport) -> ControlFlow<()>,
    ) -> Result<WorkDone, WorkFailure> {
        let count = check(work)?;
        let mut program = match self.ready.take() {
            Some((task, program)) if task == work.task => program,
            _ => build(&self.programs, &work.task)?,
        };
        let done = drive(program.as_mut(), work, count, progress)?;
        self.ready = Some((work.task.clone(), program));
        Ok(done)
    }
}

/// Performs one piece of work with nothing kept; see [`Worker::run`].
///
/// # Errors
/// See [`WorkFailure`].
pub fn run(
    programs: &dyn Programs,
    work: &Work,
    progress: &mut dyn FnMut(&StepReport) -> ControlFlow<()>,
) -> Result<WorkDone, WorkFailure> {
    let count = check(work)?;
    drive(build(programs, &work.task)?.as_mut(), work, count, progress)
}

/// Refuses work outside the limits; returns the number of steps to take.
fn check(work: &Work) -> Result<usize, WorkFailure> {
    let refuse = |why: String| Err(WorkFailure::Refused(why));
    let (from, to, steps) = (work.from.0, work.to.0, work.task.steps);
    if from > to || to > steps {
        return refuse(format!("steps {from} to {to} of a job with {steps}"));
    }
    if to - from > Terms::MAX_STEPS {
        return refuse(format!(
            "{} steps at once, more than {}",
            to - from,
            Terms::MAX_STEPS
        ));
    }
    match &work.start {
        Start::Initial if from != 0 => refuse(format!("no checkpoint for step {from}")),
        Start::State(bytes) if bytes.len() > MAX_STATE_BYTES => refuse(format!(
            "a state of {} bytes, more than {MAX_STATE_BYTES}",
            bytes.len()
        )),
        _ => Ok((to - from) as usize),
    }
}

fn drive(
    program: &mut dyn Program,
    work: &Work,
    count: usize,
    progress: &mut dyn FnMut(&StepReport) -> ControlFlow<()>,
) -> Result<WorkDone, WorkFailure> {
    let rule = work.task.stop;
    let mut program = match &work.start {
        Start::Initial => Counted::restart(program, rule)?,
        Start::State(bytes) => Counted::restore(program, rule, (bytes, work.from))?,
    };
    let mut leaves = Vec::with_capacity(count + 1);
    let mut reports = Vec::with_capacity(count);
    let mut last = program.reached();
    leaves.push(last.leaf(work.from));
    for index in work.from.0 + 1..=work.to.0 {
        let step = StepIndex(index);
        let report = program.advance(step)?;
        last = program.reached();
        leaves.push(last.leaf(step));
        let flow = progress(&report);
        reports.push(report);
        if flow.is_break() {
            return Err(WorkFailure::Stopped);
        }
    }
    let state = program.encode();
    if state.len() > MAX_STATE_BYTES {
        return Err(WorkFailure::Refused(format!(
            "a state of {} bytes, more than {MAX_STATE_BYTES}",
            state.len()
        )));
    }
    Ok(WorkDone {
        leaves,
        last,
        state,
        reports,
    })
}
