//! Operators, nodes and tensors.

use assay_kernel::AttentionShape;

use super::AdamWConfig;
use crate::adapter::Target;
use crate::spec::WeightId;

/// The index of a tensor in [`Graph::tensors`](super::Graph::tensors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorId(pub u32);

/// What a step reads from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A frozen tensor.
    Weight(WeightId),
    /// Cosines of the batch's positions, from [`Input::Past`] on.
    RopeCos,
    /// Sines of them.
    RopeSin,
    /// Token ids of a micro-batch (integers).
    Ids(u32),
    /// Its labels (integers).
    Labels(u32),
    /// The labels of all micro-batches.
    AllLabels,
    /// What dropout draws from: a key and the number of the step.
    Noise,
    /// How many positions came before, in earlier runs (an integer).
    Past,
    /// The keys of a layer, of all positions of the context; those to come hold anything finite.
    Keys(u32),
    /// The values of a layer.
    Values(u32),
    /// The learning rate: one value.
    LearningRate,
    /// AdamW's running powers: two values.
    Powers,
    /// A tensor of the adapter.
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
    /// `dy, x, weight, inverse root mean squares -> dx`, and with `weight` `-> dx, dweight`
    RmsNormBackward {
        /// Whether the weight's gradient is computed.
        weight: bool,
    },
    /// `dx, ids -> dtable`
    EmbeddingBackward,
    /// `a, b -> a b`, or with `accumulate` `a, b, c -> c + a b`; `a` and `b` transposed as marked.
    Product {
        /// Whether `a` is transposed.
        ta: bool,
        /// Whether `b` is transposed.
        tb: bool,
        /// Whether the chain starts from `c`.
        accumulate: bool,
    },
    /// `x, weight -> x W^T`, or untransposed `-> x W`, or with `accumulate` `x, weight, c -> c + that`,
    /// of integers: the rows of `x` (untransposed, times the scales of the weight's rows) are
    /// rounded to 8 bits, as the weight is held (`quantize_rows`, then `product_i8`).
    QuantizedProduct {
        /// Whether the weight is transposed: the forward pass.
        transposed: bool,
        /// Whether the product is added to `c`.
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
    /// `q, k, v, keys, values, past -> out, keys, values`: writes `k` and `v` behind the `past`
    /// positions that `keys` and `values` hold, and attends to all of them.
    CachedAttention {
        /// Sizes of `q`, `k` and `v`; one sequence.
        shape: AttentionShape,
        /// Factor on the scores.
        scale: f32,
    },
    /// `x -> its last row`
    LastRow,
    /// `gate, up -> silu(gate) * up`
    SiluMul,
    /// `dout, gate, up -> dgate, dup`
    SiluMulBackward,
    /// `logits, labels, all labels -> losses`, and with `gradient` `-> losses, dlogits` of the mean
    /// over all labels that count
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
    /// `a, b -> a / b`
    Divide,
    /// `x, factors -> x times a factor for each column`
    ScaleColumns,
    /// `x, factor -> x * factor`
    ScaleBy,
    /// `x -> sums over the rows`, or with `accumulate` `x, c -> c + sums`
    ColumnSums {
        /// Whether the chain starts from `c`.
        accumulate: bool,
    },
    /// `a, b -> sums over the rows of a b`, or with `accumulate` `a, b, c -> c + sums`
    ColumnDots {
        /// Whether the chain starts from `c`.
        accumulate: bool,
    },
    /// `x -> the length of each row`
    RowNorms,
    /// `x, noise -> x with a share p of it zero and the rest over 1 - p`
    Dropout {
        /// The share.
        p: f32,
        /// Which of the step's masks; the stream's index is `step * slots + slot`.
        slot: u32,
        /// How many masks a step has.
        slots: u32,
    },
    /// `x -> the nearest values that bfloat16 has`
    RoundBf16,
    /// `x -> the sum of its squares`, or with `accumulate` `x, c -> c + the sum`
    SumSquares {
        /// Whether it is added to `c`.
        accumulate: bool,
    },
    /// `sum of squares -> the factor that clips a gradient of this norm`
    ClipFactor {
        /// The longest gradient that is left as it is.
        max_norm: f32,
    },
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
            Self::RmsNormBackward { .. } => "rmsnorm backward",
            Self::EmbeddingBackward => "embedding backward",
            Self::Product { .. } => "product",
            Self::QuantizedProduct { .. } => "integer product",
            Self::AddBias => "bias",
            Self::Rope { inverse: false, .. } => "rope",
            Self::Rope { inverse: true, .. } => "rope backward",
            Self::Attention { .. } => "attention",
            Self::AttentionBackward { .. } => "attention backward",
            Self::CachedAttention { .. } => "cached attention",
            Self::LastRow => "last row",
            Self::SiluMul => "silu",
            Self::SiluMulBackward => "silu backward",
            Self::CrossEntropy { .. } => "cross-entropy",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Scale { .. } => "scale",
            Self::Add => "add",
            Self::Divide => "divide",
            Self::ScaleColumns => "column scale",
            Self::ScaleBy => "clip",
            Self::ColumnSums { .. } => "column sums",
            Self::ColumnDots { .. } => "column dots",
            Self::RowNorms => "row norms",
            Self::Dropout { .. } => "dropout",
            Self::RoundBf16 => "bfloat16",
            Self::SumSquares { .. } => "sum of squares",
            Self::ClipFactor { .. } => "clip factor",
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
                }
                | Self::QuantizedProduct {
                    accumulate: true, ..
                }
                | Self::ColumnDots { accumulate: true },
                0,
            ) => Some(2),
            (Self::ColumnSums { accumulate: true } | Self::SumSquares { accumulate: true }, 0) => {
                Some(1)
            }
            (
                Self::AddBias
                | Self::Rope { .. }
                | Self::Scale { .. }
                | Self::ScaleBy
                | Self::Add
                | Self::NextPowers(_)
                | Self::AdamW(_),
                0,
            ) => Some(0),
            (Self::CrossEntropy { gradient: true }, 1) => Some(0),
            (Self::AdamW(_), 1 | 2) => Some(output + 1),
            (Self::CachedAttention { .. }, 1 | 2) => Some(output + 2),
            _ => None,
        }
    }

    /// Whether an output that takes over an input of the step may be written where that lies.
    pub(super) fn writes_inputs(self) -> bool {
        matches!(
            self,
            Self::AdamW(_) | Self::NextPowers(_) | Self::CachedAttention { .. }
        )
    }

    /// Whether a NaN or infinity in this input always leads to one in output 0 (for
    /// `SiluMulBackward`, in output 1): a product has no zero that hides it, since 0 times
    /// infinity is NaN, and in an integer product it makes the scale of its row one. Attention and
    /// the loss can hide one behind `exp(-inf) = 0`.
    pub fn carries(self, input: usize) -> bool {
        match self {
            Self::Product { .. }
            | Self::QuantizedProduct { .. }
            | Self::Add
            | Self::SiluMul
            | Self::ScaleColumns
            | Self::ScaleBy
            | Self::ColumnSums { .. }
            | Self::ColumnDots { .. }
            | Self::RowNorms
            | Self::SumSquares { .. } => true,
            Self::RmsNorm { .. }
            | Self::RmsNormBackward { .. }
            | Self::EmbeddingBackward
            | Self::Divide
            | Self::AddBias
            | Self::Rope { .. }
            | Self::Scale { .. }
            | Self::SiluMulBackward
            | Self::RoundBf16
            | Self::Sum
            | Self::Mean => input == 0,
            _ => false,
        }
    }

    /// Whether a NaN or infinity in this output always comes with one in output 0, or for what a
    /// cache keeps, in the key or value that was put there.
    pub fn is_shown_by_first(self, output: usize) -> bool {
        match self {
            Self::RmsNorm { .. } | Self::Attention { .. } => output == 1,
            Self::CachedAttention { .. } => output > 0,
            _ => false,
        }
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
    /// The layer it is part of; split training leaves it to whoever holds the layers.
    pub layer: Option<u32>,
    /// The layer and projection it is about, for messages.
    pub site: Option<(u32, Target)>,
}
