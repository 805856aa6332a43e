//! Operators of the kernel specification.

use std::io;

use assay_kernel::AttentionShape;
use borsh::{BorshDeserialize, BorshSerialize};

/// Settings of AdamW (Loshchilov and Hutter, 2019); the learning rate is an input of each step.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
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

/// An operator of the kernel specification with its settings. Inputs and outputs are listed as
/// `inputs -> outputs`.
///
/// Its bytes are the number of its variant and then its settings in the order in which they stand
/// here, counts as 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
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
        #[borsh(serialize_with = "write_sizes", deserialize_with = "read_sizes")]
        shape: AttentionShape,
        /// Factor on the scores.
        scale: f32,
    },
    /// `dout, q, k, v, probabilities -> dq, dk, dv`
    AttentionBackward {
        /// Sizes.
        #[borsh(serialize_with = "write_sizes", deserialize_with = "read_sizes")]
        shape: AttentionShape,
        /// Factor on the scores.
        scale: f32,
    },
    /// `q, k, v, keys, values, past -> out, keys, values`: writes `k` and `v` behind the `past`
    /// positions that `keys` and `values` hold, and attends to all of them.
    CachedAttention {
        /// Sizes of `q`, `k` and `v`; one sequence.
        #[borsh(serialize_with = "write_sizes", deserialize_with = "read_sizes")]
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
    pub(crate) fn writes_inputs(self) -> bool {
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

fn write_sizes<W: io::Write>(shape: &AttentionShape, writer: &mut W) -> io::Result<()> {
    let sizes = [
        shape.batch,
        shape.seq,
        shape.heads,
        shape.kv_heads,
        shape.head_dim,
    ];
    sizes.serialize(writer)
}

fn read_sizes<R: io::Read>(reader: &mut R) -> io::Result<AttentionShape> {
    let [batch, seq, heads, kv_heads, head_dim] = BorshDeserialize::deserialize_reader(reader)?;
    Ok(AttentionShape {
        batch,
        seq,
        heads,
        kv_heads,
        head_dim,
    })
}
