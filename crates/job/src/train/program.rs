//! Training as a chain of steps: one batch each.

use assay_crypto::tiles::Writer;
use assay_estimator::{
    Order, Shard, Specification, State, StepReport as Done, Taken as Outcome, TrainError, Trainer,
};
use assay_kernel::Kernel;
use assay_ledger::{StepIndex, Taken, Terms};
use assay_proof::{Program, ProgramError, StepReport, Task};

use super::{DATA, decode, rows};
use crate::build_error::{BuildError, chain};
use crate::inputs::{by_name, input};

/// The run of one training on this machine.
pub(super) struct Training {
    specification: Specification,
    trainer: Trainer,
    shard: Shard,
    seed: [u8; 32],
    state: State,
    /// Why the latest step could not be taken.
    fault: Option<String>,
}

impl Training {
    /// Reads the rows and plans the step.
    pub(super) fn new(task: &Task) -> Result<Self, BuildError> {
        let specification = decode(&task.spec)?;
        let shard = rows::shard(&specification, DATA, input(&by_name(task), DATA)?)?;
        let order = Order {
            seed: task.seed.0,
            round: 0,
            trainer: 0,
        };
        let (kernel, model) = (Kernel::detect()?, &specification.model);
        let trainer = Trainer::new(&kernel, &specification, order);
        let trainer = trainer.map_err(|error| BuildError::field("training", error))?;
        let state = State::initial(model, &task.seed.0);
        Ok(Self {
            state: state.map_err(|error| BuildError::field("model", error))?,
            seed: task.seed.0,
            specification,
            trainer,
            shard,
            fault: None,
        })
    }
}

/// What a trainer's error is to those who run, audit and judge a program.
pub(crate) fn told(error: &TrainError) -> ProgramError {
    match error {
        TrainError::Environment(_) => ProgramError::Local(chain(error)),
        _ => ProgramError::Refused(chain(error)),
    }
}

/// What a step says of itself: its loss in millionths of a nat, its rows, and whether it was taken.
pub(crate) fn report(step: StepIndex, done: &Done) -> StepReport {
    let micro = |loss: f32| (f64::from(loss) * 1e6).round() as i64;
    match done.taken {
        Outcome::Valid => StepReport {
            step,
            loss_micro: done.loss.map(micro),
            units: done.rows as u64,
            taken: Taken::Valid,
        },
        Outcome::Invalid(_) => StepReport {
            taken: Taken::Invalid,
            ..StepReport::idle(step)
        },
    }
}

/// Why a step could not be taken, if it could not.
pub(crate) fn fault(done: &Done) -> Option<String> {
    match &done.taken {
        Outcome::Valid => None,
        Outcome::Invalid(fault) => Some(fault.to_string()),
    }
}

impl Program for Training {
    fn restart(&mut self) -> Result<(), ProgramError> {
        let state = State::initial(&self.specification.model, &self.seed);
        self.state = state.map_err(|error| told(&error.into()))?;
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        let state = State::from_bytes(bytes, &self.specification.model);
        let state = state.map_err(|error| told(&error))?;
        // More than an order can have: who counts so many could make the next step impossible.
        if state.steps() > Terms::MAX_STEPS {
            let text = format!("a state counts {} steps", state.steps());
            return Err(ProgramError::Refused(text));
        }
        self.state = state;
        Ok(())
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        let index = step.0.saturating_sub(1);
        let done = self.trainer.step(&mut self.state, &self.shard, index);
        let done = done.map_err(|error| told(&error))?;
        self.fault = fault(&done);
        Ok(report(step, &done))
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.state.to_bytes());
    }

    fn fault(&self) -> Option<String> {
        self.fault.clone()
    }
}
