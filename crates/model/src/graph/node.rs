//! Operators, nodes and tensors.

use assay_kernel::AttentionShape;

use super::AdamWConfig;
use crate::spec::WeightId;

/// The index of a tensor in [`Graph::tensors`](super::Graph::tensors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorId(pub u32);

/// What a step reads from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A frozen tensor.
    Weight(WeightId),
    /// Cosines of the batch's positions.
    RopeCos,
    /// Sines of them.
    RopeSin,
    /// Token ids (integers).
    Ids,
    /// Labels (integers).
    Labels,
    /// The learning rate: one value.
    LearningRate,
    /// AdamW's running powers: two values.
    Powers,
    /// An adapter matrix.
    Param(u32),
    /// Its first moment.
    First(u32),
    /// Its second moment.
    Second(u32),
}

/// A matrix with its origin; vectors have one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// Where it comes from; `None` for the output of a node.
    pub input: Option<Input>,
}

impl Tensor {
    /// Values in it.
    pub fn values(&self) -> usize {
        self.rows * self.cols
    }
}

/// An operator of the kernel specification with its settings. Inputs and outputs are listed as
/// `inputs -> outputs`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// `table, ids -> x`
    Embedding,
    /// `x, weight -> y, inverse root mean squares`
    RmsNorm {
        /// Added to the mean square.
        eps: f32,
    },
    /// `dy, x, weight, inverse root mean squares -> dx`
    RmsNormBackward,
    /// `a, b -> a b`, or with `accumulate` `a, b, c -> c + a b`; `a` and `b` transposed as marked.
    Product {
        /// Whether `a` is transposed.
        ta: bool,
        /// Whether `b` is transposed.
        tb: bool,
        /// Whether the chain starts from `c`.
        accumulate: bool,
    },
    /// `x, bias -> x + bias`, on every row
    AddBias,
    /// `x, cos, sin -> rotated x`
    Rope {
        /// Heads in a row.
        heads: usize,
        /// Rotates back: the gradient.
        inverse: bool,
    },
    /// `q, k, v -> out, probabilities`
    Attention {
        /// Sizes.
        shape: AttentionShape,
        /// Factor on the scores.
        scale: f32,
    },
    /// `dout, q, k, v, probabilities -> dq, dk, dv`
    AttentionBackward {
        /// Sizes.
        shape: AttentionShape,
        /// Factor on the scores.
        scale: f32,
    },
    /// `gate, up -> silu(gate) * up`
    SiluMul,
    /// `dout, gate, up -> dgate, dup`
    SiluMulBackward,
    /// `logits, labels -> losses`, and with `gradient` `-> losses, dlogits` of the mean loss
    CrossEntropy {
        /// Whether the gradient is computed.
        gradient: bool,
    },
    /// `losses -> their sum`
    Sum,
    /// `losses, labels -> their sum / the number of labels that count`
    Mean,
    /// `x -> x * factor`
    Scale {
        /// The factor.
        factor: f32,
    },
    /// `a, b -> a + b`
    Add,
    /// `powers -> powers one step later`
    NextPowers(AdamWConfig),
    /// `param, gradient, first, second, powers, learning rate -> param, first, second`
    AdamW(AdamWConfig),
}

impl Op {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::RmsNorm { .. } => "rmsnorm",
            Self::RmsNormBackward => "rmsnorm backward",
            Self::Product { .. } => "product",
            Self::AddBias => "bias",
            Self::Rope { inverse: false, .. } => "rope",
            Self::Rope { inverse: true, .. } => "rope backward",
            Self::Attention { .. } => "attention",
            Self::AttentionBackward { .. } => "attention backward",
            Self::SiluMul => "silu",
            Self::SiluMulBackward => "silu backward",
            Self::CrossEntropy { .. } => "cross-entropy",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Scale { .. } => "scale",
            Self::Add => "add",
            Self::NextPowers(_) => "powers",
            Self::AdamW(_) => "adamw",
        }
    }

    /// The input an output takes over and changes, where the operator works in place.
    pub fn updates(self, output: usize) -> Option<usize> {
        match (self, output) {
            (
                Self::Product {
                    accumulate: true, ..
                },
                0,
            ) => Some(2),
            (
                Self::AddBias
                | Self::Rope { .. }
                | Self::Scale { .. }
                | Self::Add
                | Self::NextPowers(_)
                | Self::AdamW(_),
                0,
            ) => Some(0),
            (Self::AdamW(_), 1 | 2) => Some(output + 1),
            _ => None,
        }
    }

    /// Whether a NaN or infinity in this input always leads to one in output 0 (for
    /// `SiluMulBackward`, in output 1): a product has no zero that hides it, since 0 times
    /// infinity is NaN. Attention and the loss can hide one behind `exp(-inf) = 0`.
    pub fn carries(self, input: usize) -> bool {
        match self {
            Self::Product { .. } | Self::Add | Self::SiluMul => true,
            Self::RmsNorm { .. }
            | Self::RmsNormBackward
            | Self::AddBias
            | Self::Rope { .. }
            | Self::Scale { .. }
            | Self::SiluMulBackward
            | Self::Sum
            | Self::Mean => input == 0,
            _ => false,
        }
    }

    /// Whether a NaN or infinity in this output always comes with one in output 0.
    pub fn is_shown_by_first(self, output: usize) -> bool {
        output == 1 && matches!(self, Self::RmsNorm { .. } | Self::Attention { .. })
    }
}

/// One operator with the tensors it reads and writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// What it reads, in the operator's order.
    pub inputs: Vec<TensorId>,
    /// What it writes.
    pub outputs: Vec<TensorId>,
    /// The layer it belongs to, for messages.
    pub layer: Option<u32>,
}
