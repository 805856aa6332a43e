//! A fine-tuning without whoever computes its steps.

use std::sync::Arc;

use assay_crypto::tiles::{Tiled, Tiles, Writer, collected};
use assay_data::{Batch, DataSet, Sampler};
use assay_kernel::Kernel;
use assay_ledger::{StepIndex, Taken};
use assay_model::{
    Adapter, Base, BatchShape, Method, Precision, Schedule, StepOutput, TrainSettings, TrainState,
};
use assay_proof::{ProgramError, StepReport, Task};

use super::file::Specification;
use super::state::State;
use super::training::Evaluation;
use super::{TRAIN, VALIDATION};
use crate::build_error::BuildError;
use crate::inputs::{ADAPTER, Inputs, by_name};
use crate::language;

/// The batches, learning rates, evaluations and states of a fine-tuning: everything but who computes
/// a step. [`Course::advance`] is handed that, so a run whose steps are computed on several machines
/// goes through the states of one on a single machine.
pub struct Course {
    kernel: Kernel,
    base: Arc<Base>,
    precision: Precision,
    method: Method,
    settings: TrainSettings,
    shape: BatchShape,
    seed: [u8; 32],
    data: DataSet,
    rows: usize,
    rates: Schedule,
    evaluation: Option<(Evaluation, DataSet)>,
    /// The adapter that the run starts from.
    first: Adapter,
    state: State,
}

impl Course {
    /// Reads model, data and adapter of a task of kind `finetune`.
    ///
    /// # Errors
    /// When the task is of another kind, its specification is not canonical, or an input is unusable.
    pub fn new(task: &Task) -> Result<Self, BuildError> {
        let wrong = |text: String| Err(BuildError::Specification(text));
        if task.kind != "finetune" {
            return wrong(format!("it is of kind {:?}, not \"finetune\"", task.kind));
        }
        let specification = Specification::decode(&task.spec)?;
        let training = &specification.training;
        if training.steps != task.steps {
            return wrong(format!(
                "it has {} steps and the order {}",
                training.steps, task.steps
            ));
        }
        let inputs = by_name(task);
        let kernel = Kernel::detect()?;
        let precision = specification.precision.into();
        let base = language::base(&inputs, precision)?;
        let data = language::rows(&inputs, TRAIN, &base, &specification.data)?;
        let method = specification.method(base.config())?;
        let seed = task.seed.0;
        let first = first(&inputs, &kernel, &base, &method, &seed)?;
        let rows = first.check_rows(&kernel, &base);
        rows.map_err(|e| BuildError::field("adapter.use_dora", e))?;
        let evaluation = match training.evaluation() {
            None => None,
            Some(evaluation) => {
                let data = language::rows(&inputs, VALIDATION, &base, &specification.data)?;
                Some((evaluation, data))
            }
        };
        let watch = evaluation.as_ref().map(|(evaluation, _)| evaluation);
        Ok(Self {
            shape: BatchShape {
                batch: training.batch_size as usize,
                seq: data.sequence_length(),
            },
            settings: training.settings(),
            rows: training.rows(),
            rates: training.rates(),
            state: State::new(first.clone(), watch),
            evaluation,
            kernel,
            first,
            method,
            base,
            precision,
            data,
            seed,
        })
    }

    /// The kernel of this machine.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The base model.
    pub fn base(&self) -> &Arc<Base> {
        &self.base
    }

    /// How the base's projections are held.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The method with its settings.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Settings of each step.
    pub fn settings(&self) -> TrainSettings {
        self.settings
    }

    /// Shape of a micro-batch.
    pub fn shape(&self) -> BatchShape {
        self.shape
    }

    /// What adapters and the order of the data are drawn from.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Where training stands.
    pub fn state(&self) -> &TrainState {
        &self.state.train
    }

    /// Whether the run has stopped early, so that further steps change nothing.
    pub fn has_stopped(&self) -> bool {
        self.state.watch.as_ref().is_some_and(|watch| watch.stopped)
    }

    /// Makes the first state the current one.
    pub fn restart(&mut self) {
        self.state = State::new(self.first.clone(), self.watch());
    }

    /// Makes an encoded state the current one.
    ///
    /// # Errors
    /// When the bytes are no state of this run.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        let (model, watch) = (self.base.config(), self.watch());
        self.state =
            State::from_bytes(bytes, &self.method, model, watch).map_err(ProgramError::Refused)?;
        Ok(())
    }

    /// Writes the current state's canonical bytes.
    pub fn write(&self, to: &mut Writer<'_>) {
        self.state.write(to);
    }

    /// The current state's canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        collected(|to| self.write(to))
    }

    /// What these bytes hash to.
    pub fn tiled(&self) -> Tiled {
        Tiles::written(|to| self.write(to)).tiled()
    }

    /// Takes step `step`, counted from 1. `compute` is given the training state, the batch and the
    /// learning rate; it advances the state, or leaves it alone and returns `None` where the step
    /// gives a NaN or infinity, or no gradient. A run that has stopped early computes nothing.
    ///
    /// # Errors
    /// What `compute` says, with the state as it was; or when this machine fails to measure the
    /// validation loss.
    pub fn advance<E: From<ProgramError>>(
        &mut self,
        step: StepIndex,
        compute: impl FnOnce(&mut TrainState, &Batch, f32) -> Result<Option<StepOutput>, E>,
    ) -> Result<StepReport, E> {
        if self.has_stopped() {
            return Ok(StepReport::idle(step));
        }
        let index = step.0.saturating_sub(1);
        let batch = Sampler::new(&self.data, self.seed, self.rows).batch(index);
        let report = match compute(&mut self.state.train, &batch, self.rates.rate(index))? {
            Some(done) => StepReport {
                step,
                loss_micro: Some((f64::from(done.loss) * 1e6).round() as i64),
                units: batch.ids.len() as u64,
                taken: Taken::Valid,
            },
            None => StepReport {
                taken: Taken::Invalid,
                ..StepReport::idle(step)
            },
        };
        self.evaluate(step)?;
        Ok(report)
    }

    fn watch(&self) -> Option<&Evaluation> {
        self.evaluation.as_ref().map(|(evaluation, _)| evaluation)
    }

    /// Measures the validation loss, if it is due after this step.
    fn evaluate(&mut self, step: StepIndex) -> Result<(), ProgramError> {
        let Some((evaluation, data)) = &self.evaluation else {
            return Ok(());
        };
        if !step.0.is_multiple_of(evaluation.every) && step.0 != self.rates.steps {
            return Ok(());
        }
        let adapter = self.state.train.adapter();
        let loss = match language::score(&self.kernel, &self.base, Some(adapter), VALIDATION, data)
        {
            Ok(loss) => loss,
            // No number is no improvement; the chain goes on, as after a step that gives none.
            Err(BuildError::NoScore { .. }) => f64::INFINITY,
            Err(error) => return Err(error.into()),
        };
        self.state.observe(step.0, loss, evaluation);
        Ok(())
    }
}

/// A fresh adapter, or the one to go on from, which must have the job's own settings.
fn first(
    inputs: &Inputs,
    kernel: &Kernel,
    base: &Base,
    method: &Method,
    seed: &[u8; 32],
) -> Result<Adapter, BuildError> {
    let Some(bytes) = inputs.get(ADAPTER) else {
        return Ok(Adapter::init(kernel, base, method, seed));
    };
    language::adapter(bytes, base)?
        .resumed_as(method)
        .map_err(|e| BuildError::input(ADAPTER, e))
}
