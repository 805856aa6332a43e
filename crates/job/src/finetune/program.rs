//! Fine-tuning as a chain of steps: one optimiser step on one batch each.

use assay_crypto::Digest;
use assay_data::{DataSet, Sampler};
use assay_kernel::Kernel;
use assay_ledger::StepIndex;
use assay_model::{
    AdamWConfig, Adapter, BatchShape, InvalidStep, LoraConfig, Schedule, TrainState, Trainer,
};
use assay_proof::{Program, ProgramError, StepReport, Task};

use super::file::Specification;
use super::{HELDOUT, TRAIN};
use crate::error::BuildError;
use crate::kind::{Delivery, Inputs};
use crate::language;

/// Samples that a delivery shows.
const SAMPLES: usize = 3;

/// The run of one fine-tuning.
pub(super) struct Finetuning {
    lora: LoraConfig,
    model: assay_model::ModelConfig,
    data: DataSet,
    batch_size: usize,
    schedule: Schedule,
    trainer: Trainer,
    seed: [u8; 32],
    state: TrainState,
}

impl Finetuning {
    /// Reads model and data and plans the step.
    pub(super) fn new(task: &Task) -> Result<Self, BuildError> {
        let specification = Specification::decode(&task.spec)?;
        if specification.training.steps != task.steps {
            return Err(BuildError::Specification(format!(
                "it has {} steps and the order {}",
                specification.training.steps, task.steps
            )));
        }
        let inputs = language::by_name(task);
        let kernel = Kernel::detect()?;
        let base = language::base(&inputs)?;
        let data = language::rows(&inputs, TRAIN, &base, &specification.data)?;
        let lora = specification.lora()?;
        let batch_size = specification.training.batch_size as usize;
        let shape = BatchShape {
            batch: batch_size,
            seq: data.sequence_length(),
        };
        let optimizer = AdamWConfig {
            weight_decay: specification.training.weight_decay,
            ..AdamWConfig::default()
        };
        let model = base.config().clone();
        let trainer = Trainer::new(&kernel, base, &lora, optimizer, shape)
            .map_err(|e| BuildError::Specification(e.to_string()))?;
        let seed = task.seed.0;
        let state = TrainState::new(Adapter::init(&model, &lora, &seed));
        let schedule = specification.schedule();
        Ok(Self {
            lora,
            model,
            data,
            batch_size,
            schedule,
            trainer,
            seed,
            state,
        })
    }
}

impl Program for Finetuning {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.state = TrainState::new(Adapter::init(&self.model, &self.lora, &self.seed));
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        let state = TrainState::from_bytes(bytes)
            .map_err(|error| ProgramError::Refused(error.to_string()))?;
        let shapes = state.adapter().params().iter().map(|param| &param.info);
        if *state.adapter().config() != self.lora || !shapes.eq(&self.lora.params(&self.model)) {
            let refused = "the state belongs to another adapter or model";
            return Err(ProgramError::Refused(refused.to_owned()));
        }
        self.state = state;
        Ok(())
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        let index = step.0.saturating_sub(1);
        let batch = Sampler::new(&self.data, self.seed, self.batch_size).batch(index);
        let rate = self.schedule.rate(index);
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

/// The adapter as a PEFT folder and, with held-out data, what it is worth.
pub(super) fn deliver(
    specification: &[u8],
    inputs: &Inputs,
    private: &Inputs,
    state: &[u8],
) -> Result<Delivery, BuildError> {
    let specification = Specification::decode(specification)?;
    let state = TrainState::from_bytes(state).map_err(|e| BuildError::input("result", e))?;
    let adapter = state.into_adapter();
    let mut delivery = Delivery {
        files: adapter.peft_files(language::MODEL),
        ..Delivery::default()
    };
    let Some(heldout) = private.get(HELDOUT) else {
        return Ok(delivery);
    };
    let kernel = Kernel::detect()?;
    let base = language::base(inputs)?;
    let data = language::rows(private, HELDOUT, &base, &specification.data)?;
    for (name, adapter) in [("loss_before", None), ("loss_after", Some(&adapter))] {
        let score = language::score(&kernel, &base, adapter, &data)?;
        delivery.figures.insert(name.to_owned(), score.mean());
    }
    delivery.samples = language::samples(&kernel, &base, &adapter, heldout, SAMPLES);
    Ok(delivery)
}
