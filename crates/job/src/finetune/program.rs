//! Fine-tuning as a chain of steps: one optimiser step on one batch each.

use std::sync::Arc;

use assay_crypto::Digest;
use assay_data::{DataSet, Sampler};
use assay_kernel::Kernel;
use assay_ledger::StepIndex;
use assay_model::{
    Adapter, Base, BatchShape, InvalidStep, Method, Schedule, TrainState, Trainer, merged_files,
};
use assay_proof::{Program, ProgramError, StepReport, Task};

use super::file::Specification;
use super::{HELDOUT, TRAIN};
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
    /// The adapter that the run starts from.
    first: Adapter,
    state: TrainState,
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
        let base = language::base(&inputs)?;
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
        Ok(Self {
            rows: training.rows(),
            rates: training.rates(),
            state: TrainState::new(first.clone()),
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

impl Program for Finetuning {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.state = TrainState::new(self.first.clone());
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.state = TrainState::from_bytes(bytes, &self.method, self.base.config())
            .map_err(|error| ProgramError::Refused(error.to_string()))?;
        Ok(())
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        let index = step.0.saturating_sub(1);
        let batch = Sampler::new(&self.data, self.seed, self.rows).batch(index);
        let rate = self.rates.rate(index);
        let report = |loss_micro, units, valid| StepReport {
            step,
            loss_micro,
            units,
            valid,
        };
        match self.trainer.step(&mut self.state, &batch, rate) {
            Ok(done) => {
                let micro = (f64::from(done.loss) * 1e6).round() as i64;
                Ok(report(Some(micro), batch.ids.len() as u64, true))
            }
            // The trainer left the state as it was; the chain goes on without this step.
            Err(InvalidStep::NotFinite { .. }) => Ok(report(None, 0, false)),
            Err(error @ InvalidStep::Environment(_)) => Err(ProgramError::Local(error.to_string())),
            Err(error) => Err(ProgramError::Refused(error.to_string())),
        }
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
    let (base, method) = (language::base(inputs)?, specification.method()?);
    let state = TrainState::from_bytes(state, &method, base.config())
        .map_err(|e| BuildError::input("result", e))?;
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
