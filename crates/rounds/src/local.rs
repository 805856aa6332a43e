//! What a trainer does in a round.

use assay_estimator::{Order, Shard, State, StepReport, Taken, Trainer};
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
    let mut trainer = Trainer::new(kernel, &spec.learning, order)?;
    if spec.learning.training.proximal > 0.0 {
        trainer = trainer.with_anchor(model.parameters())?;
    }
    let mut local = Local {
        state: model.clone(),
        valid: 0,
        invalid: 0,
        first_loss: None,
        last_loss: None,
    };
    let mut fault = None;
    for index in 0..spec.local_steps {
        let StepReport { loss, taken, .. } = trainer.step(&mut local.state, shard, index)?;
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
