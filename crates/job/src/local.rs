//! A whole run on this machine: what `assay train` does, and what a late auditor repeats.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use assay_crypto::Digest;
use assay_ledger::StepIndex;
use assay_proof::{
    Program, ProgramError, Programs, Start, StepReport, Task, TaskInput, Trace, Work, WorkFailure,
    Worker,
};

use crate::error::JobError;
use crate::kind::{Inputs, Job, Registry};
use crate::memory::available_memory;
use crate::price::Price;

/// A run from its first state to its last.
pub struct Run {
    /// Root over the leaves of all states.
    pub trace_root: Digest,
    /// Digest of the last state.
    pub state_digest: Digest,
    /// The last state, encoded.
    pub state: Vec<u8>,
}

/// Runs every step of a task; `progress` may stop it.
///
/// # Errors
/// See [`WorkFailure`].
pub fn run(
    task: &Task,
    progress: &mut dyn FnMut(&StepReport) -> ControlFlow<()>,
) -> Result<Run, WorkFailure> {
    let mut worker = Worker::new(Box::new(Registry));
    let mut leaves: Vec<Digest> = Vec::new();
    let mut start = Start::Initial;
    let mut from = 0;
    let state = loop {
        let to = (from + u64::from(task.segment_steps.max(1))).min(task.steps);
        let work = Work {
            task: task.clone(),
            start,
            from: StepIndex(from),
            to: StepIndex(to),
        };
        let done = worker.run(&work, progress)?;
        // A piece repeats the leaf that the one before it ended with.
        leaves.extend(done.leaves.iter().skip(usize::from(from > 0)));
        if to == task.steps {
            break done.state;
        }
        start = Start::State(done.state);
        from = to;
    };
    let mut program = Registry.build(task)?;
    program.restore(&state)?;
    let state_digest = program.digest();
    Ok(Run {
        trace_root: Trace::new(leaves).root(),
        state_digest,
        state,
    })
}

/// A job with everything it reads, ready to run here.
pub struct Local {
    /// The task.
    pub task: Task,
    /// Inputs by name.
    pub inputs: Inputs,
    /// Inputs that only the requester can read.
    pub private: Inputs,
}

impl Local {
    /// Reads a job's files; `seed` stands for the randomness that an order draws.
    ///
    /// # Errors
    /// When a file is missing, unreadable or too large.
    pub fn new(job: &Job, seed: Digest) -> Result<Self, JobError> {
        let (inputs, private) = (job.read_inputs()?, job.read_private()?);
        Ok(Self {
            task: task(job, &inputs, seed),
            inputs,
            private,
        })
    }

    /// What a run takes of this machine's memory; to be asked before one begins, since a process
    /// that gets no memory is ended.
    ///
    /// # Errors
    /// [`JobError::Memory`] when it is more than there is.
    pub fn price(&self, job: &Job) -> Result<Price, JobError> {
        let price = job.kind().price(&job.specification, &self.inputs)?;
        // The inputs are here already.
        let held: u64 = self.inputs.values().map(|bytes| bytes.len() as u64).sum();
        match available_memory() {
            Some(memory) if price.total().saturating_sub(held) > memory => Err(JobError::Memory {
                price: Box::new(price),
                memory,
            }),
            _ => Ok(price),
        }
    }
}

/// What a check of a job found.
#[derive(Debug, Clone, Copy)]
pub struct Checked {
    /// The first step.
    pub first: StepReport,
    /// What a run takes of a machine's memory.
    pub price: Price,
}

fn task(job: &Job, inputs: &BTreeMap<String, std::sync::Arc<Vec<u8>>>, seed: Digest) -> Task {
    let input = |(name, bytes): (&String, &std::sync::Arc<Vec<u8>>)| TaskInput {
        name: name.clone(),
        bytes: bytes.clone(),
    };
    Task {
        kind: job.kind.to_owned(),
        spec: job.specification.clone(),
        inputs: inputs.iter().map(input).collect(),
        seed,
        steps: job.steps,
        segment_steps: job.audit.segment_steps,
    }
}

/// Checks that a job can run here: its inputs can be read, fit together and into memory, and give a
/// first step.
///
/// # Errors
/// What does not fit, by field or input.
pub fn check(job: &Job) -> Result<Checked, JobError> {
    let local = Local::new(job, Digest::ZERO)?;
    let price = local.price(job)?;
    let mut program: Box<dyn Program> = job.kind().program(&local.task)?;
    let failed = |error: ProgramError| JobError::FirstStep(error);
    program.restart().map_err(failed)?;
    let first = program.advance(StepIndex(1)).map_err(failed)?;
    Ok(Checked { first, price })
}
