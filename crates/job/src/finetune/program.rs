//! Fine-tuning as a chain of steps: one optimiser step on one batch each.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_crypto::Digest;
use assay_data::{DataSet, Sampler};
use assay_kernel::Kernel;
use assay_ledger::StepIndex;
use assay_model::{
    Adapter, Base, BatchShape, InvalidStep, Method, Schedule, Trainer, merged_files,
};
use assay_proof::{Program, ProgramError, StepReport, Task};

use super::file::Specification;
use super::state::State;
use super::training::Evaluation;
use super::{HELDOUT, TRAIN, VALIDATION};
use crate::error::BuildError;
use crate::kind::{Delivery, Inputs};
use crate::language::{self, ADAPTER};

/// Samples that a delivery shows.
const SAMPLES: usize = 3;

/// The run of one fine-tuning.
pub(super) struct Finetuning {
    method: Method,
    base: Arc<Base>,
    data: DataSet,
    rows: usize,
    rates: Schedule,
    trainer: Trainer,
    seed: [u8; 32],
    kernel: Kernel,
    evaluation: Option<(Evaluation, DataSet)>,
    /// The adapter that the run starts from.
    first: Adapter,
    state: State,
}

impl Finetuning {
    /// Reads model, data and adapter and plans the step.
    pub(super) fn new(task: &Task) -> Result<Self, BuildError> {
        let specification = Specification::decode(&task.spec)?;
        let training = &specification.training;
        if training.steps != task.steps {
            return Err(BuildError::Specification(format!(
                "it has {} steps and the order {}",
                training.steps, task.steps
            )));
        }
        let inputs = language::by_name(task);
        let kernel = Kernel::detect()?;
        let base = language::base(&inputs, specification.precision.into())?;
        let data = language::rows(&inputs, TRAIN, &base, &specification.data)?;
        let method = specification.method()?;
        let shape = BatchShape {
            batch: training.batch_size as usize,
            seq: data.sequence_length(),
        };
        let (seed, settings) = (task.seed.0, training.settings());
        let trainer = Trainer::new(&kernel, base.clone(), &method, settings, shape, &seed)
            .map_err(|e| BuildError::Specification(e.to_string()))?;
        let first = match inputs.get(ADAPTER) {
            None => Adapter::init(&kernel, &base, &method, &seed),
            Some(bytes) => resumed(bytes, &base, &method)?,
        };
        let evaluation = match training.evaluation() {
            None => None,
            Some(evaluation) => {
                let data = language::rows(&inputs, VALIDATION, &base, &specification.data)?;
                Some((evaluation, data))
            }
        };
        let watch = evaluation.as_ref().map(|(evaluation, _)| evaluation);
        Ok(Self {
            rows: training.rows(),
            rates: training.rates(),
            state: State::new(first.clone(), watch),
            evaluation,
            kernel,
            first,
            method,
            base,
            data,
            trainer,
            seed,
        })
    }
}

/// An adapter to go on from, which must have the job's own settings.
fn resumed(bytes: &[u8], base: &Base, method: &Method) -> Result<Adapter, BuildError> {
    let adapter = language::adapter(bytes, base)?;
    adapter
        .resumed_as(method)
        .map_err(|e| BuildError::input(ADAPTER, e))
}

impl Finetuning {
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
        let score = language::score(&self.kernel, &self.base, Some(adapter), data);
        let score = score.map_err(|error| ProgramError::Refused(error.to_string()))?;
        self.state.observe(step.0, score.mean(), evaluation);
        Ok(())
    }
}

impl Program for Finetuning {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.state = State::new(self.first.clone(), self.watch());
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        let (model, watch) = (self.base.config(), self.watch());
        self.state =
            State::from_bytes(bytes, &self.method, model, watch).map_err(ProgramError::Refused)?;
        Ok(())
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        let report = |loss_micro, units, valid| StepReport {
            step,
            loss_micro,
            units,
            valid,
        };
        if self.state.watch.as_ref().is_some_and(|watch| watch.stopped) {
            return Ok(report(None, 0, true));
        }
        let index = step.0.saturating_sub(1);
        let batch = Sampler::new(&self.data, self.seed, self.rows).batch(index);
        let rate = self.rates.rate(index);
        let report = match self.trainer.step(&mut self.state.train, &batch, rate) {
            Ok(done) => {
                let micro = (f64::from(done.loss) * 1e6).round() as i64;
                report(Some(micro), batch.ids.len() as u64, true)
            }
            // The trainer left the state as it was; the chain goes on without this step.
            Err(InvalidStep::NotFinite { .. }) => report(None, 0, false),
            Err(error) if error.is_local() => {
                return Err(ProgramError::Local(error.to_string()));
            }
            Err(error) => return Err(ProgramError::Refused(error.to_string())),
        };
        self.evaluate(step)?;
        Ok(report)
    }

    fn encode(&self) -> Vec<u8> {
        self.state.to_bytes()
    }

    fn digest(&self) -> Digest {
        self.state.digest()
    }
}

/// The adapter as a PEFT folder, or with full fine-tuning the model's folder, and with held-out data
/// what it is worth.
pub(super) fn deliver(
    specification: &[u8],
    inputs: &Inputs,
    private: &Inputs,
    state: &[u8],
) -> Result<Delivery, BuildError> {
    let specification = Specification::decode(specification)?;
    let base = language::base(inputs, specification.precision.into())?;
    let method = specification.method()?;
    let watch = specification.training.evaluation();
    let state = State::from_bytes(state, &method, base.config(), watch.as_ref())
        .map_err(|e| BuildError::input("result", e))?;
    let mut figures = BTreeMap::new();
    if let Some(watch) = &state.watch {
        figures.insert("validation_loss".to_owned(), watch.best_loss);
        figures.insert("validation_step".to_owned(), watch.best_step as f64);
    }
    let adapter = state.into_adapter();
    let kernel = Kernel::detect()?;
    let files = match method {
        Method::Full => {
            let files = language::model_files(inputs)?;
            let merged = merged_files(&kernel, &base, files, &adapter);
            let merged = merged.map_err(|e| BuildError::input("result", e))?;
            merged.into_iter().collect()
        }
        _ => adapter.peft_files(language::MODEL),
    };
    let mut delivery = Delivery {
        files,
        figures,
        ..Delivery::default()
    };
    let Some(heldout) = private.get(HELDOUT) else {
        return Ok(delivery);
    };
    let data = language::rows(private, HELDOUT, &base, &specification.data)?;
    for (name, adapter) in [("loss_before", None), ("loss_after", Some(&adapter))] {
        let score = language::score(&kernel, &base, adapter, &data)?;
        delivery.figures.insert(name.to_owned(), score.mean());
    }
    delivery.samples = language::samples(&kernel, &base, &adapter, heldout, SAMPLES);
    Ok(delivery)
}
