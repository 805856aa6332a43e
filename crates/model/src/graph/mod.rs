//! The step graph: a training step as a fixed, enumerated list of kernel operators.
//!
//! [`Graph::build`] makes the list from the model's shape, the method's settings and the batch's
//! shape alone, so every machine enumerates the same nodes, and a node's index means the same to a
//! provider and to a judge. The list is in single-assignment form: a tensor is either an input of
//! the step or the output of exactly one node, and nodes read only inputs and outputs of earlier
//! nodes. Re-running one node needs nothing but its inputs ([`run_node`](crate::run_node)).
//!
//! Operators that update in place on the kernel side (accumulating products, rotations, AdamW)
//! take the old value as an input here; [`Plan`] decides where old and new share memory.

mod backward;
mod builder;
mod forward;
mod keep;
mod linear;
mod node;
mod optimise;
mod plan;

pub use node::{Input, Node, Op, Tensor, TensorId};
pub use plan::Plan;

use assay_kernel::MAX_DEPTH_I8;

use crate::adapter::{Method, Target};
use crate::config::ModelConfig;
use crate::error::ShapeError;
use crate::spec::ModelSpec;
use crate::storage::Precision;
use builder::Builder;

/// The shape of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchShape {
    /// Rows.
    pub batch: usize,
    /// Tokens a row.
    pub seq: usize,
}

impl BatchShape {
    /// Positions in the batch.
    pub fn positions(self) -> usize {
        self.batch * self.seq
    }
}

/// Settings of AdamW (Loshchilov and Hutter, 2019); the learning rate is an input of each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
}

impl Default for AdamWConfig {
    /// PyTorch's settings, without weight decay.
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        }
    }
}

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

/// The operators of one step, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Every tensor: the inputs first, then outputs in the order of their nodes.
    pub tensors: Vec<Tensor>,
    /// Every operator, in the order in which they run.
    pub nodes: Vec<Node>,
    /// Tensors that are read after the step: logits or loss, and gradients where asked for.
    pub results: Vec<TensorId>,
    /// The shape of a micro-batch.
    pub shape: BatchShape,
    /// Micro-batches of the step.
    pub micro_batches: usize,
    /// The first so many nodes read nothing but the model and the adapter: with
    /// [`Purpose::Next`] they need to run only once.
    pub constants: usize,
}

impl Graph {
    /// Enumerates a step that computes in f32 whatever form the base is held in: all but
    /// [`Precision::W8A8`].
    ///
    /// # Errors
    /// When the batch is empty, too long for the model, or too large to compute.
    pub fn build(
        config: &ModelConfig,
        method: Option<&Method>,
        shape: BatchShape,
        purpose: Purpose,
    ) -> Result<Self, ShapeError> {
        Self::build_in(config, method, shape, purpose, Precision::Float32)
    }

    /// Enumerates a step on a base that is held in `precision`.
    ///
    /// # Errors
    /// As [`Graph::build`], and when an exact sum of integers would not fit 32 bits.
    pub fn build_in(
        config: &ModelConfig,
        method: Option<&Method>,
        shape: BatchShape,
        purpose: Purpose,
        precision: Precision,
    ) -> Result<Self, ShapeError> {
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

    /// The shape of all micro-batches together.
    pub fn rows(&self) -> BatchShape {
        BatchShape {
            batch: self.shape.batch * self.micro_batches,
            ..self.shape
        }
    }

    /// The tensor with this id.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0 as usize]
    }

    /// The name of a node's operator with its layer and projection, for messages.
    pub fn describe(&self, node: usize) -> String {
        let Some(node) = self.nodes.get(node) else {
            return "none".into();
        };
        match (node.layer, node.site) {
            (_, Some((layer, target))) => {
                format!("{} of layer {layer}, {}", node.op.name(), target.module())
            }
            (Some(layer), None) => format!("{} of layer {layer}", node.op.name()),
            (None, None) => node.op.name().to_owned(),
        }
    }

    /// Removes nodes that lead to no result and no update: what a recomputed layer has beyond what
    /// its backward pass reads.
    fn drop_unread(&mut self) {
        let mut read = vec![false; self.tensors.len()];
        for id in &self.results {
            read[id.0 as usize] = true;
        }
        let mut kept = vec![false; self.nodes.len()];
        for (node, keep) in self.nodes.iter().zip(&mut kept).rev() {
            let wanted = node.outputs.iter().any(|id| read[id.0 as usize]);
            *keep = wanted || matches!(node.op, Op::AdamW(_));
            for id in node.inputs.iter().filter(|_| *keep) {
                read[id.0 as usize] = true;
            }
        }
        let mut kept = kept.into_iter();
        self.nodes.retain(|_| kept.next().unwrap_or(true));
    }

    /// Moves the nodes that read nothing but the model and the adapter to the front.
    fn hoist_constants(&mut self) {
        let constant = |t: &Tensor| matches!(t.input, Some(Input::Weight(_) | Input::Param(_)));
        let mut is_constant: Vec<bool> = self.tensors.iter().map(constant).collect();
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for node in std::mem::take(&mut self.nodes) {
            if node.inputs.iter().all(|id| is_constant[id.0 as usize]) {
                node.outputs
                    .iter()
                    .for_each(|id| is_constant[id.0 as usize] = true);
                first.push(node);
            } else {
                rest.push(node);
            }
        }
        self.constants = first.len();
        self.nodes = first;
        self.nodes.append(&mut rest);
    }

    /// For every node, whether its outputs have to be looked at to notice the first NaN or
    /// infinity of the step: one in any other output leads, through operators that carry it on, to
    /// one in an output that is looked at.
    pub fn watched(&self) -> Vec<bool> {
        let mut carried = vec![false; self.tensors.len()];
        for node in &self.nodes {
            for (i, input) in node.inputs.iter().enumerate() {
                carried[input.0 as usize] |= node.op.carries(i);
            }
        }
        let shown = |node: &Node, k: usize, id: &TensorId| {
            carried[id.0 as usize] || node.op.is_shown_by_first(k)
        };
        let watch = |node: &Node| {
            !node
                .outputs
                .iter()
                .enumerate()
                .all(|(k, id)| shown(node, k, id))
        };
        self.nodes.iter().map(watch).collect()
    }
}
