//! What a step computes, enumerated as a [`Graph`].
//!
//! [`build_graph`] makes the list from the model's shape, the method's settings and the batch's
//! shape alone.

mod backward;
mod builder;
mod forward;
mod keep;
mod linear;
mod optimise;

pub(crate) use assay_graph::{
    AdamWConfig, BatchShape, Graph, Input, Node, Op, Plan, Tensor, TensorId,
};
use assay_kernel::MAX_DEPTH_I8;

use crate::adapter::Method;
use crate::config::ModelConfig;
use crate::error::ShapeError;
use crate::spec::ModelSpec;
use crate::storage::Precision;
use crate::target::Target;
use builder::Builder;

/// How the values that the backward pass reads are held until then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ActivationStorage {
    /// As they were computed: 4 bytes a value.
    #[default]
    Float32,
    /// Rounded to bfloat16: 2 bytes a value. Arithmetic stays in f32.
    BFloat16,
}

/// Settings of a training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainSettings {
    /// The optimiser.
    pub optimizer: AdamWConfig,
    /// Micro-batches of a step; their gradients add up to that of one batch of all rows.
    pub gradient_accumulation_steps: u32,
    /// The longest gradient, over all tensors; a longer one is scaled down to it.
    pub max_grad_norm: Option<f32>,
    /// Computes each layer again in the backward pass instead of keeping what it needs.
    pub gradient_checkpointing: bool,
    /// How what the backward pass reads is held until then.
    pub activation_storage: ActivationStorage,
    /// The factor on the learning rate of LoRA's B (LoRA+; Hayou et al., 2024).
    pub loraplus_lr_ratio: Option<f32>,
}

impl From<AdamWConfig> for TrainSettings {
    /// One batch a step, nothing clipped, rounded or computed twice.
    fn from(optimizer: AdamWConfig) -> Self {
        Self {
            optimizer,
            gradient_accumulation_steps: 1,
            max_grad_norm: None,
            gradient_checkpointing: false,
            activation_storage: ActivationStorage::Float32,
            loraplus_lr_ratio: None,
        }
    }
}

/// What a graph computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Purpose {
    /// Logits of every position.
    Logits,
    /// The sum of the losses.
    Loss,
    /// The mean loss and the gradient of every trained tensor, without dropout.
    Gradients,
    /// [`Purpose::Gradients`], and AdamW on every trained tensor.
    Train(TrainSettings),
    /// Logits of the last position of one sequence whose earlier positions have been run before:
    /// their keys and values are kept, for at most `context` positions in all.
    Next {
        /// The most positions.
        context: usize,
    },
}

/// Enumerates a step that computes in f32 whatever form the base is held in: all but
/// [`Precision::W8A8`].
///
/// # Errors
/// When the batch is empty, too long for the model, or too large to compute.
pub fn build_graph(
    config: &ModelConfig,
    method: Option<&Method>,
    shape: BatchShape,
    purpose: Purpose,
) -> Result<Graph, ShapeError> {
    build_graph_in(config, method, shape, purpose, Precision::Float32)
}

/// Enumerates a step on a base that is held in `precision`.
///
/// # Errors
/// As [`build_graph`], and when an exact sum of integers would not fit 32 bits.
pub fn build_graph_in(
    config: &ModelConfig,
    method: Option<&Method>,
    shape: BatchShape,
    purpose: Purpose,
    precision: Precision,
) -> Result<Graph, ShapeError> {
    let BatchShape { batch, seq } = shape;
    if batch == 0 || seq == 0 {
        return Err(ShapeError::Empty(batch, seq));
    }
    let max = config.max_sequence();
    let longer = |seq| match config.sliding_window {
        Some(window) if window == max => ShapeError::Window { seq, window },
        _ => ShapeError::TooLong { seq, max },
    };
    if seq > max {
        return Err(longer(seq));
    }
    let widest = [
        config.vocab_size,
        config.intermediate_size,
        config.query_width(),
        config.num_attention_heads * seq,
    ];
    let values = widest
        .into_iter()
        .max()
        .and_then(|w| w.checked_mul(seq)?.checked_mul(batch));
    if values.is_none_or(|n| n > i32::MAX as usize) {
        return Err(ShapeError::TooLarge(batch, seq));
    }
    if let Purpose::Next { context } = purpose {
        if batch != 1 || seq > context {
            return Err(ShapeError::Cache(batch, seq, context));
        }
        if context > max {
            return Err(longer(context));
        }
        let kept = context.checked_mul(config.key_width());
        if kept.is_none_or(|n| n > i32::MAX as usize) {
            return Err(ShapeError::TooLarge(batch, context));
        }
    }
    if precision.computes_in_int8() {
        let sizes = Target::ALL.map(|target| target.shape(config));
        let deepest = sizes
            .into_iter()
            .flat_map(|(out, input)| [out, input])
            .max();
        if let Some(depth) = deepest.filter(|depth| *depth > MAX_DEPTH_I8) {
            return Err(ShapeError::TooDeep(depth));
        }
    }
    let spec = ModelSpec::new(config);
    Ok(Builder::new(config, &spec, method, shape, purpose, precision).build())
}
