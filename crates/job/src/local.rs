//! A whole run on this machine: what `assay train` does, and what a late auditor repeats.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use assay_crypto::{Digest, Hasher};
use assay_kernel::SPEC_VERSION;
use assay_ledger::{StepIndex, Taken};
use assay_model::ModelShape;
use assay_proof::{
    Counted, Handle, Program, ProgramError, Programs, StepReport, Task, TaskInput, Trace,
    WorkFailure, build,
};

use crate::build_error::BuildError;
use crate::error::JobError;
use crate::inputs::{Inputs, model};
use crate::kind::Job;
use crate::language;
use crate::memory::available_memory;
use crate::price::{Price, Sizes};
use crate::registry::Registry;
use crate::saved::{Fault, Saved, Store, StoreError};
use crate::step::Step;

/// The share of a run's time that goes into saving its state, at most: one in so many.
const SAVING_SHARE: u32 = 20;

/// A run from its first state to its last.
pub struct Run {
    /// Root over the leaves of all states.
    pub trace_root: Digest,
    /// Digest of the last state.
    pub state_digest: Digest,
    /// The last state, as it is stored: see [`assay_ledger::StateFile`].
    pub state: Vec<u8>,
    /// The first step that could not be taken.
    pub fault: Option<Fault>,
    /// Steps that were done and saved by an earlier process.
    pub resumed_at: u64,
}

/// What happens during a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// It goes on from a saved state.
    Resumed {
        /// Steps that were done.
        step: u64,
    },
    /// A step is done, or could not be taken.
    Step(&'a StepReport),
    /// The first step that could not be taken.
    Fault(&'a Fault),
}

/// Why a run on this machine ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot be computed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Its state cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever watches it wanted no more.
    #[error("the run was stopped")]
    Stopped,
}

/// Runs every step of a task; `progress` may stop it.
///
/// # Errors
/// See [`WorkFailure`].
pub fn run(
    task: &Task,
    progress: &mut dyn FnMut(&StepReport) -> ControlFlow<()>,
) -> Result<Run, WorkFailure> {
    let mut program = build(&Registry, task)?;
    let mut watch = |event: Event<'_>| match event {
        Event::Step(report) => progress(report),
        _ => ControlFlow::Continue(()),
    };
    run_saved(task, program.as_mut(), None, &mut watch).map_err(|error| match error {
        RunError::Program(error) => error.into(),
        RunError::Stopped => WorkFailure::Stopped,
        RunError::Store(error) => WorkFailure::Local(error.to_string()),
    })
}

/// Runs every step of a task by its program. With a store, from the state that is saved there to the
/// end, saving it on the way, so that a process killed at any moment is gone on from. The result has
/// the bits of an unbroken run.
///
/// # Errors
/// See [`RunError`]; what was saved stays.
pub fn run_saved(
    task: &Task,
    program: &mut dyn Program,
    store: Option<&Store>,
    progress: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Run, RunError> {
    let run = store.map_or(Digest::ZERO, |_| {
        run_digest(task, Hasher::new("assay/local-run/v3"))
    });
    let saved = store.map(|store| store.load(&run)).transpose()?.flatten();
    let (mut program, mut leaves, mut fault) = match saved {
        None => {
            let first = Counted::restart(program, task.stop)?;
            let leaves = vec![first.reached().leaf(StepIndex(0))];
            (first, leaves, None)
        }
        Some(saved) => {
            let step = saved.leaves.len() as u64 - 1;
            let at = (&saved.state[..], StepIndex(step));
            let resumed = Counted::restore(program, task.stop, at)?;
            let _ = progress(Event::Resumed { step });
            (resumed, saved.leaves, saved.fault)
        }
    };
    let resumed_at = leaves.len() as u64 - 1;
    if let Some(fault) = &fault {
        let _ = progress(Event::Fault(fault));
    }
    let mut saving = Saving::new();
    for step in resumed_at + 1..=task.steps {
        let report = program.advance(StepIndex(step))?;
        leaves.push(program.reached().leaf(StepIndex(step)));
        if report.taken == Taken::Invalid && fault.is_none() {
            let reason = program.fault().unwrap_or_default();
            let first = fault.insert(Fault { step, reason });
            let _ = progress(Event::Fault(first));
        }
        if let Some(store) = store
            && (saving.is_due() || step == task.steps)
        {
            let began = Instant::now();
            store.save(&Saved {
                run,
                leaves: leaves.clone(),
                fault: fault.clone(),
                state: program.encode(),
            })?;
            saving.done(began);
        }
        if progress(Event::Step(&report)).is_break() {
            return Err(RunError::Stopped);
        }
    }
    Ok(Run {
        state_digest: program.reached().state.digest(),
        state: program.encode(),
        trace_root: Trace::new(leaves).root(),
        fault,
        resumed_at,
    })
}

/// When a state is saved: at first after one step, then as often as [`SAVING_SHARE`] allows. The
/// moments depend on the machine; what comes out of the run does not depend on them.
struct Saving {
    ended: Instant,
    took: Duration,
}

impl Saving {
    fn new() -> Self {
        Self {
            ended: Instant::now(),
            took: Duration::ZERO,
        }
    }

    fn is_due(&self) -> bool {
        self.ended.elapsed() >= self.took.saturating_mul(SAVING_SHARE - 1)
    }

    fn done(&mut self, began: Instant) {
        self.took = began.elapsed();
        self.ended = Instant::now();
    }
}

/// Which run a saved state belongs to: `hasher`, which tells kinds of runs apart, over the job with
/// its inputs, the seed and the version of the arithmetic.
pub fn run_digest(task: &Task, mut hasher: Hasher) -> Digest {
    let (spec_version, steps) = (SPEC_VERSION.to_le_bytes(), task.steps.to_le_bytes());
    let stop_after = task.stop.stop_after.to_le_bytes();
    let max_invalid = task.stop.max_invalid.to_le_bytes();
    let fields: [&[u8]; 7] = [
        &spec_version,
        task.kind.as_bytes(),
        &task.spec,
        task.seed.as_bytes(),
        &steps,
        &stop_after,
        &max_invalid,
    ];
    fields.iter().for_each(|field| hasher.part(field));
    for input in &task.inputs {
        hasher.part(input.name.as_bytes());
        hasher.part(&input.handle.content().0);
    }
    hasher.finish()
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
        Ok(Self::of(job, inputs, private, seed))
    }

    /// A job whose files have been read.
    pub fn of(job: &Job, inputs: Inputs, private: Inputs, seed: Digest) -> Self {
        Self {
            task: task(job, &inputs, seed),
            inputs,
            private,
        }
    }

    /// Checks everything that the run and its delivery will read, held-out data too, before anything
    /// is computed or paid for.
    ///
    /// # Errors
    /// What does not fit, by field and file.
    pub fn check(&self, job: &Job) -> Result<(), JobError> {
        let checked = job.kind.check(&self.task, &self.private);
        checked.map_err(|error| JobError::of_parts(job, error))
    }

    /// The program of the job's steps, once everything that the delivery will read has been checked
    /// too.
    ///
    /// # Errors
    /// As [`Local::check`].
    pub fn program(&self, job: &Job) -> Result<Box<dyn Program>, JobError> {
        let (kind, spec) = (job.kind, &job.specification);
        let build = || {
            let program = kind.program(&self.task)?;
            kind.check_private(spec, &self.inputs, &self.private)?;
            Ok(program)
        };
        build().map_err(|error| JobError::of_parts(job, error))
    }

    /// Why a step cannot be priced, by the model's own files: its sizes alone do not say what limits
    /// a sequence.
    fn by_files(&self, job: &Job, error: BuildError) -> BuildError {
        let step = || {
            let model = language::config(&model(&self.inputs)?)?;
            let step = job.kind.step(&job.specification, &ModelShape::of(&model))?;
            Step { model, ..step }.footprint().map(drop)
        };
        step().err().unwrap_or(error)
    }

    /// What a run takes of this machine's memory; to be asked before one begins, since a process
    /// that gets no memory is ended.
    ///
    /// # Errors
    /// [`JobError::Memory`] when it is more than there is.
    pub fn price(&self, job: &Job) -> Result<Price, JobError> {
        let model = job.model(&self.inputs)?;
        let price = Sizes::of(&self.inputs).map(|sizes| sizes.with(job.brought));
        let price =
            price.and_then(|sizes| (job.kind).price(&job.specification, model.as_ref(), &sizes));
        let price = price.map_err(|error| {
            let error = match model {
                Some(_) => self.by_files(job, error),
                None => error,
            };
            JobError::of_parts(job, error)
        })?;
        // The inputs are here already.
        let held: u64 = self.inputs.values().map(Handle::resident).sum();
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
    /// The first step; one that is idle, where there is nothing here to take it on.
    pub first: StepReport,
    /// What a run takes of a machine's memory.
    pub price: Price,
}

fn task(job: &Job, inputs: &Inputs, seed: Digest) -> Task {
    let input = |(name, handle): (&String, &Handle)| TaskInput {
        name: name.clone(),
        handle: handle.clone(),
    };
    // Of what is no model there is nothing to tell; that is found when the program is built.
    let model = job.told_model(inputs);
    Task {
        kind: job.kind.name().to_owned(),
        spec: job.specification.clone(),
        model: model.unwrap_or_default(),
        memory: u64::MAX,
        inputs: inputs.iter().map(input).collect(),
        seed,
        steps: job.steps,
        segment_steps: job.audit.segment_steps,
        stop: job.stop_rule(),
    }
}

/// Checks that a job can run here: its inputs, held-out data too, can be read, fit together and into
/// memory, and give a
/// first step.
///
/// # Errors
/// What does not fit, by field or input.
pub fn check(job: &Job) -> Result<Checked, JobError> {
    check_read(job, &Local::new(job, Digest::ZERO)?)
}

/// As [`check`], for a job whose files have been read.
///
/// # Errors
/// As [`check`].
pub fn check_read(job: &Job, local: &Local) -> Result<Checked, JobError> {
    let price = local.price(job)?;
    let rehearsed = || {
        let task = job.kind.rehearsal(&local.task, &local.private)?;
        let program = task.map(|task| job.kind.program(&task)).transpose()?;
        (job.kind).check_private(&job.specification, &local.inputs, &local.private)?;
        Ok(program)
    };
    let Some(mut program) = rehearsed().map_err(|error| JobError::of_parts(job, error))? else {
        let first = StepReport::idle(StepIndex(0));
        return Ok(Checked { first, price });
    };
    program.restart().map_err(JobError::FirstStep)?;
    let first = program.advance(StepIndex(1)).map_err(JobError::FirstStep)?;
    match first.taken {
        Taken::Valid => Ok(Checked { first, price }),
        _ => Err(JobError::FirstStepInvalid(
            program.fault().unwrap_or_default(),
        )),
    }
}

/// Why the first step of a task cannot be taken, if it cannot: what to say of a run in which none
/// could.
pub fn first_fault(task: &Task) -> Option<Fault> {
    let mut program = Registry.build(task).ok()?;
    program.restart().ok()?;
    let report = program.advance(StepIndex(1)).ok()?;
    let reason = program.fault().filter(|_| report.taken == Taken::Invalid)?;
    Some(Fault { step: 1, reason })
}
