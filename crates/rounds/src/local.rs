//! What a trainer does in a round.

use assay_estimator::{Order, Shard, State, StepReport, Taken, TrainError, Trainer};
use assay_kernel::Kernel;

use crate::RoundSpec;
use crate::error::NoUpdate;

/// Where a trainer's steps led.
#[derive(Clone, Debug)]
pub struct Local {
    /// The state after the last step.
    pub state: State,
    /// Steps that were taken.
    pub valid: u64,
    /// Steps that could not be taken, and changed nothing.
    pub invalid: u64,
    /// The loss of the first step that has one, in nats.
    pub first_loss: Option<f32>,
    /// The loss of the last step that has one, in nats.
    pub last_loss: Option<f32>,
}

/// A trainer's steps of one round, one at a time: the same that [`train()`] takes.
#[derive(Debug)]
pub struct Steps(Trainer);

impl Steps {
    /// Steps from the `model` that the round begins with. The rows of each follow from `order`: the seed of the
    /// round, its number, and the trainer's.
    ///
    /// # Errors
    /// When the specification makes no sense, or the model is of another one.
    pub fn new(
        kernel: &Kernel,
        spec: &RoundSpec,
        model: &State,
        order: Order,
    ) -> Result<Steps, TrainError> {
        let trainer = Trainer::new(kernel, &spec.learning, order)?;
        Ok(Steps(match spec.learning.training.proximal > 0.0 {
            true => trainer.with_anchor(model.parameters())?,
            false => trainer,
        }))
    }

    /// Takes step `index` of the round, counted from 0, in place. One that cannot be taken changes nothing, and
    /// says so.
    ///
    /// # Errors
    /// When rows and model do not go together.
    pub fn take(
        &mut self,
        state: &mut State,
        shard: &Shard,
        index: u64,
    ) -> Result<StepReport, TrainError> {
        self.0.step(state, shard, index)
    }
}

/// Takes a trainer's steps of one round, from the `model` that the round begins with. The rows of each
/// step follow from `order`: the seed of the round, its number, and the trainer's.
///
/// # Errors
/// When rows and model do not go together, or none of the steps could be taken.
pub fn train(
    kernel: &Kernel,
    spec: &RoundSpec,
    model: &State,
    shard: &Shard,
    order: Order,
) -> Result<Local, NoUpdate> {
    let mut steps = Steps::new(kernel, spec, model, order)?;
    let mut local = Local {
        state: model.clone(),
        valid: 0,
        invalid: 0,
        first_loss: None,
        last_loss: None,
    };
    let mut fault = None;
    for index in 0..spec.local_steps {
        let StepReport { loss, taken, .. } = steps.take(&mut local.state, shard, index)?;
        local.first_loss = local.first_loss.or(loss);
        local.last_loss = loss.or(local.last_loss);
        match taken {
            Taken::Valid => local.valid += 1,
            Taken::Invalid(why) => {
                local.invalid += 1;
                fault = Some(why);
            }
        }
    }
    match fault {
        Some(fault) if local.valid == 0 => Err(NoUpdate::NothingLearned {
            steps: local.invalid,
            fault: fault.to_string(),
        }),
        _ => Ok(local),
    }
}
