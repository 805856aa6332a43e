//! How a model is trained.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::error::SpecError;

/// The most rows of a batch.
const MAX_BATCH: u32 = 1 << 20;

/// Stochastic gradient descent. The gradient of a step is that of the mean loss over the batch, plus
/// `proximal * (p - anchor)`, then clipped; then, with the velocity `v` beginning at zero,
/// `v = momentum * v + (gradient + weight_decay * p)` and `p = p - rate * v`, as PyTorch's `SGD` has it.
/// Weight decay is on every parameter, biases included.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// Rows of a batch; a shard with fewer is one batch.
    pub batch_size: u32,
    /// The highest learning rate.
    pub learning_rate: f32,
    /// How much of the velocity stays, from 0 to below 1.
    #[serde(default)]
    pub momentum: f32,
    /// Weight decay.
    #[serde(default)]
    pub weight_decay: f32,
    /// The factor of FedProx's proximal term, `proximal / 2 * |p - anchor|^2` with the parameters that
    /// the round began with as anchor (Li et al., "Federated optimization in heterogeneous networks",
    /// 2020). The loss that a step reports is without it.
    #[serde(default)]
    pub proximal: f32,
    /// The longest gradient, over all parameters together; a longer one is shortened to it.
    #[serde(default)]
    pub max_grad_norm: Option<f32>,
    /// How the rate goes on.
    #[serde(default)]
    pub schedule: Schedule,
}

/// The learning rate of each step, by how many the state counts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// It is multiplied by `factor` after `every` steps, and again after as many.
    Steps {
        /// Steps of one rate.
        every: u64,
        /// What the rate is multiplied by, above 0 and at most 1.
        factor: f32,
    },
    /// It rises in a straight line over the warm-up, and falls in one to zero.
    Linear {
        /// Steps of the rise; the last of them has the highest rate.
        warmup_steps: u64,
        /// The step that would have rate zero.
        steps: u64,
    },
}

impl Schedule {
    /// The rate of a step counted from 0: a quotient of integers, or a power by squaring, in f64, times
    /// the highest rate, rounded to f32 once.
    pub fn rate(&self, highest: f32, step: u64) -> f32 {
        let share = match *self {
            Self::Constant => return highest,
            Self::Steps { every, factor } => power(factor.into(), step / every.max(1)),
            Self::Linear { warmup_steps, .. } if step < warmup_steps => {
                (step + 1) as f64 / warmup_steps as f64
            }
            Self::Linear {
                warmup_steps,
                steps,
            } => {
                let whole = steps.saturating_sub(warmup_steps).max(1);
                steps.saturating_sub(step).min(whole) as f64 / whole as f64
            }
        };
        (f64::from(highest) * share) as f32
    }
}

/// `base` to the power `n`, from the lowest bit of `n` up.
fn power(mut base: f64, mut n: u64) -> f64 {
    let mut product = 1.0;
    while n > 0 {
        if n & 1 == 1 {
            product *= base;
        }
        base *= base;
        n >>= 1;
    }
    product
}

impl TrainSpec {
    /// Batches of 32 rows at a constant rate, and nothing else.
    pub fn at_rate(learning_rate: f32) -> Self {
        Self {
            batch_size: 32,
            learning_rate,
            momentum: 0.0,
            weight_decay: 0.0,
            proximal: 0.0,
            max_grad_norm: None,
            schedule: Schedule::Constant,
        }
    }

    pub(super) fn check(&self) -> Result<(), SpecError> {
        if !(1..=MAX_BATCH).contains(&self.batch_size) {
            return Err(SpecError::Size {
                name: "batch_size",
                found: self.batch_size.into(),
                least: 1,
                most: MAX_BATCH.into(),
            });
        }
        let positive = "above 0 and at most 1e6";
        let above = |x: f32| x > 0.0 && x <= 1e6;
        // One zero only, so that equal settings have equal bytes.
        let least = |x: f32, most: f32| x >= 0.0 && x.is_sign_positive() && x <= most;
        setting("learning_rate", self.learning_rate, above, positive)?;
        let range = "from 0 to below 1";
        setting(
            "momentum",
            self.momentum,
            |x| least(x, 1.0) && x < 1.0,
            range,
        )?;
        let range = "from 0 to 1";
        setting("weight_decay", self.weight_decay, |x| least(x, 1.0), range)?;
        let range = "from 0 to 1e6";
        setting("proximal", self.proximal, |x| least(x, 1e6), range)?;
        if let Some(norm) = self.max_grad_norm {
            setting("max_grad_norm", norm, above, positive)?;
        }
        match self.schedule {
            Schedule::Constant => Ok(()),
            Schedule::Steps { every, factor } => {
                at_least_one("every", every)?;
                let range = "above 0 and at most 1";
                setting("factor", factor, |x| x > 0.0 && x <= 1.0, range)
            }
            Schedule::Linear { steps, .. } => at_least_one("steps", steps),
        }
    }
}

fn at_least_one(name: &'static str, found: u64) -> Result<(), SpecError> {
    match found {
        0 => Err(SpecError::Size {
            name,
            found,
            least: 1,
            most: u64::MAX,
        }),
        _ => Ok(()),
    }
}

fn setting(
    name: &'static str,
    found: f32,
    fits: impl Fn(f32) -> bool,
    range: &'static str,
) -> Result<(), SpecError> {
    match fits(found) {
        true => Ok(()),
        false => Err(SpecError::Setting { name, found, range }),
    }
}
