//! One operator, from its inputs to its outputs.

use assay_kernel::{
    AdamW, BiasPowers, IGNORE, Kernel, MatMut, MatRef, PackedB, PackedI8, Store, clip_factor,
};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::op::Op;
use crate::tensor::Tensor;

/// The purpose under which dropout draws from the job's seed.
pub const DROPOUT_PURPOSE: u32 = 4;

/// What the masks of a step are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Noise {
    /// The job's seed.
    pub key: [u8; 32],
    /// Steps done before this one.
    pub step: u64,
}

/// The values of an input.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Numbers.
    Floats(&'a [f32]),
    /// The matrix of an integer product.
    Int8 {
        /// Its integers, row-major.
        values: &'a [i8],
        /// The scale of each row.
        scales: &'a [f32],
        /// The same integers packed as the product reads them, transposed as it asks, if they are.
        packed: Option<&'a PackedI8>,
    },
    /// Token ids.
    Ids(&'a [u32]),
    /// Labels.
    Labels(&'a [i32]),
    /// What dropout draws from.
    Noise(Noise),
    /// How many positions came before.
    Past(usize),
    /// Nothing: the input is what an output buffer already holds ([`Op::updates`]).
    InOutput,
}

impl<'a> Values<'a> {
    fn floats(self) -> &'a [f32] {
        match self {
            Self::Floats(values) => values,
            _ => &[],
        }
    }

    fn ids(self) -> &'a [u32] {
        match self {
            Self::Ids(ids) => ids,
            _ => &[],
        }
    }

    fn labels(self) -> &'a [i32] {
        match self {
            Self::Labels(labels) => labels,
            _ => &[],
        }
    }
}

/// An input with its shape.
#[derive(Clone, Copy, Debug)]
pub struct Argument<'a> {
    /// Its shape.
    pub tensor: Tensor,
    /// Its values.
    pub values: Values<'a>,
}

impl<'a> Argument<'a> {
    fn matrix(self, transposed: bool) -> MatRef<'a> {
        let Tensor { rows, cols, .. } = self.tensor;
        let matrix = MatRef::row_major(self.values.floats(), rows, cols);
        if transposed { matrix.t() } else { matrix }
    }

    fn floats(self) -> &'a [f32] {
        self.values.floats()
    }
}

/// Runs one operator. Where [`Op::updates`] names an input for an output, the caller puts that
/// input's values into the output buffer and passes [`Values::InOutput`]. `packed` may hold the
/// right-hand matrix of a product, already transposed as the operator asks; it changes no bit.
///
/// # Panics
/// If the lengths or kinds of inputs and outputs disagree with the operator, as kernel operators do: nodes
/// come from whoever builds a [`Graph`](crate::Graph), and from outside only through
/// [`judge`](crate::judge), which checks them.
pub fn run_node(
    kernel: &Kernel,
    op: Op,
    inputs: &[Argument<'_>],
    packed: Option<&PackedB>,
    outputs: &mut [&mut [f32]],
) {
    let x = |i: usize| inputs[i].floats();
    match (op, outputs) {
        (Op::Embedding, [out]) => {
            kernel.embedding(x(0), inputs[1].values.ids(), inputs[0].tensor.cols, out);
        }
        (Op::RmsNorm { eps }, [out, inverse]) => kernel.rmsnorm(x(0), x(1), eps, out, inverse),
        (Op::RmsNormBackward { .. }, [dx, rest @ ..]) => {
            let weight = rest.first_mut().map(|d| &mut **d);
            kernel.rmsnorm_backward(x(0), x(1), x(2), x(3), dx, weight);
        }
        (Op::EmbeddingBackward, [dtable]) => {
            let hidden = inputs[0].tensor.cols;
            kernel.embedding_backward(x(0), inputs[1].values.ids(), hidden, dtable);
        }
        (Op::Product { ta, tb, accumulate }, [out]) => {
            let store = store(accumulate);
            let a = inputs[0].matrix(ta);
            match packed {
                Some(b) => {
                    let mut c = MatMut::row_major(out, a.rows(), b.cols());
                    kernel.gemm_packed(a, b, &mut c, store);
                }
                None => {
                    let b = inputs[1].matrix(tb);
                    let mut c = MatMut::row_major(out, a.rows(), b.cols());
                    kernel.gemm(a, b, &mut c, store);
                }
            }
        }
        (
            Op::QuantizedProduct {
                transposed,
                accumulate,
            },
            [out],
        ) => quantized_product(kernel, inputs, transposed, store(accumulate), out),
        (Op::AddBias, [out]) => kernel.add_bias_rows(out, x(1)),
        (Op::Rope { heads, inverse }, [out]) => {
            let Tensor { rows, cols, .. } = inputs[1].tensor;
            kernel.rope(out, x(1), x(2), rows, heads, 2 * cols, inverse);
        }
        (Op::Attention { shape, scale }, [out, probs]) => {
            kernel.attention(x(0), x(1), x(2), shape, scale, out, probs);
        }
        (Op::AttentionBackward { shape, scale }, [dq, dk, dv]) => {
            kernel.attention_backward(x(0), x(1), x(2), x(3), x(4), shape, scale, dq, dk, dv);
        }
        (Op::CachedAttention { shape, scale }, [out, keys, values]) => {
            let past = match inputs[5].values {
                Values::Past(past) => past,
                _ => 0,
            };
            let width = shape.kv_heads * shape.head_dim;
            let (from, to) = (past * width, (past + shape.seq) * width);
            keys[from..to].copy_from_slice(x(1));
            values[from..to].copy_from_slice(x(2));
            let (keys, values) = (&keys[..to], &values[..to]);
            kernel.attention_cached(x(0), keys, values, shape, past, scale, out);
        }
        (Op::LastRow, [out]) => out.copy_from_slice(&x(0)[x(0).len() - out.len()..]),
        (Op::SiluMul, [out]) => kernel.silu_mul(x(0), x(1), out),
        (Op::SiluMulBackward, [dgate, dup]) => {
            kernel.silu_mul_backward(x(0), x(1), x(2), dgate, dup);
        }
        (Op::CrossEntropy { .. }, [losses, rest @ ..]) => {
            let labels = inputs[1].values.labels();
            let vocab = inputs[0].tensor.cols;
            let scale = 1.0 / counted(inputs[2].values.labels());
            match rest {
                [logits] => kernel.cross_entropy_gradient(logits, labels, vocab, losses, scale),
                _ => kernel.cross_entropy(x(0), labels, vocab, losses),
            }
        }
        (Op::Sum, [sum]) => sum[0] = kernel.sum(x(0)),
        (Op::Mean, [mean]) => mean[0] = kernel.sum(x(0)) / counted(inputs[1].values.labels()),
        (Op::Scale { factor }, [out]) => kernel.scale(out, factor),
        (Op::Add, [out]) => kernel.add_assign(out, x(1)),
        (Op::Divide, [out]) => kernel.divide(x(0), x(1), out),
        (Op::ScaleColumns, [out]) => kernel.scale_columns(x(0), x(1), out),
        (Op::ScaleBy, [out]) => kernel.scale(out, x(1)[0]),
        (Op::ColumnSums { accumulate }, [out]) => kernel.column_sums(x(0), out, store(accumulate)),
        (Op::ColumnDots { accumulate }, [out]) => {
            kernel.column_dots(x(0), x(1), out, store(accumulate));
        }
        (Op::RowNorms, [out]) => kernel.row_norms(x(0), inputs[0].tensor.cols, out),
        (Op::Dropout { p, slot, slots }, [out]) => {
            if let Values::Noise(Noise { key, step }) = inputs[1].values {
                let index = step.wrapping_mul(slots.into()).wrapping_add(slot.into());
                kernel.dropout(x(0), &key, DROPOUT_PURPOSE, index, p, out);
            }
        }
        (Op::RoundBf16, [out]) => kernel.round_bf16(x(0), out),
        (Op::SumSquares { accumulate }, [out]) => {
            let before = if accumulate { out[0] } else { 0.0 };
            out[0] = before + kernel.dot(x(0), x(0));
        }
        (Op::ClipFactor { max_norm }, [out]) => out[0] = clip_factor(x(0)[0], max_norm),
        (Op::NextPowers(settings), [out]) => {
            let powers = BiasPowers {
                beta1: out[0],
                beta2: out[1],
            };
            let next = powers.next(settings.beta1, settings.beta2);
            out.copy_from_slice(&[next.beta1, next.beta2]);
        }
        (Op::AdamW(settings), [param, first, second]) => {
            let powers = BiasPowers {
                beta1: x(4)[0],
                beta2: x(4)[1],
            };
            let (bias1, bias2) = powers.corrections();
            let settings = AdamW {
                lr: x(5)[0],
                beta1: settings.beta1,
                beta2: settings.beta2,
                eps: settings.eps,
                weight_decay: settings.weight_decay,
                bias1,
                bias2,
            };
            kernel.adamw(param, x(1), first, second, &settings);
        }
        (op, outputs) => unreachable!("{} has no {} outputs", op.name(), outputs.len()),
    }
}

/// The scales of the weight's rows belong to the product's columns when it is transposed, else to
/// the columns of `x`.
fn quantized_product(
    kernel: &Kernel,
    inputs: &[Argument<'_>],
    transposed: bool,
    store: Store,
    out: &mut [f32],
) {
    let Values::Int8 {
        values,
        scales,
        packed,
    } = inputs[1].values
    else {
        unreachable!("an integer product by a matrix that is not held in integers")
    };
    let (x, Tensor { rows, cols, .. }) = (inputs[0].floats(), inputs[1].tensor);
    let own = packed
        .is_none()
        .then(|| kernel.pack_i8(values, rows, cols, transposed));
    let Some(b) = packed.or(own.as_ref()) else {
        return;
    };
    let mut c = MatMut::row_major(out, inputs[0].tensor.rows, b.cols());
    match transposed {
        true => kernel.quantized_product(x, None, b, Some(scales), &mut c, store),
        false => kernel.quantized_product(x, Some(scales), b, None, &mut c, store),
    }
}

fn store(accumulate: bool) -> Store {
    match accumulate {
        true => Store::Accumulate,
        false => Store::Overwrite,
    }
}

/// The number of labels that count, as f32.
fn counted(labels: &[i32]) -> f32 {
    labels.iter().filter(|label| **label != IGNORE).count() as f32
}
