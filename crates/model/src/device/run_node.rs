//! One operator on a device; [`assay_graph::run_node`] is the same on the processor.

use assay_kernel::Store;
use assay_kernel::cuda::{Device, DeviceAdamW, DeviceError, DeviceSlice, Mask, ProductShape};

use crate::graph::{Graph, Node, Op};
use assay_graph::DROPOUT_PURPOSE;

/// Memory that operators use while they run, as much as the largest of a graph needs.
pub(super) struct Scratch {
    product: DeviceSlice,
    map: DeviceSlice,
}

impl Scratch {
    pub(super) fn new(device: &Device, graph: &Graph) -> Result<Self, DeviceError> {
        let largest = |of: &dyn Fn(&Node) -> usize| graph.nodes.iter().map(of).max().unwrap_or(0);
        let product = largest(&|node| {
            product_shape(graph, node).map_or(0, |shape| device.product_scratch(shape))
        });
        let map = largest(&|node| match node.op {
            Op::AttentionBackward { shape, .. } => shape.probs_len(),
            _ => 0,
        });
        Ok(Self {
            product: device.reserve(product)?,
            map: device.reserve(map)?,
        })
    }
}

fn product_shape(graph: &Graph, node: &Node) -> Option<ProductShape> {
    let Op::Product { ta, tb, .. } = node.op else {
        return None;
    };
    let [a, b] = [node.inputs[0], node.inputs[1]].map(|id| graph.tensor(id));
    let (m, k) = if ta {
        (a.cols, a.rows)
    } else {
        (a.rows, a.cols)
    };
    let n = if tb { b.rows } else { b.cols };
    Some(ProductShape { m, n, k, ta, tb })
}

/// Starts one operator. Outputs that take over an input hold its values already.
pub(super) fn run_node(
    device: &Device,
    graph: &Graph,
    node: &Node,
    x: &[DeviceSlice],
    outputs: &[DeviceSlice],
    scratch: &Scratch,
) -> Result<(), DeviceError> {
    match (node.op, outputs) {
        (Op::Embedding, [out]) => {
            let width = graph.tensor(node.inputs[0]).cols;
            device.embedding(&x[0], &x[1], width, out)
        }
        (Op::RmsNorm { eps }, [out, inverse]) => device.rmsnorm(&x[0], &x[1], eps, out, inverse),
        (Op::RmsNormBackward { .. }, [dx, rest @ ..]) => {
            device.rmsnorm_backward(&x[0], &x[1], &x[2], &x[3], dx, rest.first())
        }
        (Op::EmbeddingBackward, [dtable]) => {
            let width = graph.tensor(node.inputs[0]).cols;
            device.embedding_backward(&x[0], &x[1], width, dtable)
        }
        (Op::Product { accumulate, .. }, [out]) => {
            let Some(shape) = product_shape(graph, node) else {
                return Ok(());
            };
            device.product(
                [&x[0], &x[1]],
                out,
                shape,
                store(accumulate),
                &scratch.product,
            )
        }
        (Op::AddBias, [out]) => device.add_bias(out, &x[1]),
        (Op::Rope { heads, inverse }, [out]) => {
            let half = graph.tensor(node.inputs[1]).cols;
            device.rope(out, &x[1], &x[2], heads, half, inverse)
        }
        (Op::Attention { shape, scale }, [out, probs]) => {
            device.attention(&x[0], &x[1], &x[2], shape, scale, out, probs)
        }
        (Op::AttentionBackward { shape, scale }, [dq, dk, dv]) => device.attention_backward(
            &x[0],
            &x[1],
            &x[2],
            &x[3],
            &x[4],
            shape,
            scale,
            &scratch.map,
            dq,
            dk,
            dv,
        ),
        (Op::SiluMul, [out]) => device.silu_mul(&x[0], &x[1], out),
        (Op::SiluMulBackward, [dgate, dup]) => {
            device.silu_mul_backward(&x[0], &x[1], &x[2], dgate, dup)
        }
        (Op::CrossEntropy { .. }, [losses, rest @ ..]) => {
            device.cross_entropy(&x[0], &x[1], &x[2], losses, rest.first())
        }
        (Op::Sum, [sum]) => device.sum(&x[0], None, sum),
        (Op::Mean, [mean]) => device.sum(&x[0], Some(&x[1]), mean),
        (Op::Scale { factor }, [out]) => device.scale(out, factor),
        (Op::Add, [out]) => device.add_assign(out, &x[1]),
        (Op::Divide, [out]) => device.divide(&x[0], &x[1], out),
        (Op::ScaleColumns, [out]) => device.scale_columns(&x[0], &x[1], out),
        (Op::ScaleBy, [out]) => device.scale_by(out, &x[1]),
        (Op::ColumnSums { accumulate }, [out]) => device.column_sums(&x[0], out, store(accumulate)),
        (Op::ColumnDots { accumulate }, [out]) => {
            device.column_dots(&x[0], &x[1], out, store(accumulate))
        }
        (Op::RowNorms, [out]) => device.row_norms(&x[0], graph.tensor(node.inputs[0]).cols, out),
        (Op::Dropout { p, slot, slots }, [out]) => {
            let mask = Mask {
                purpose: DROPOUT_PURPOSE,
                slot,
                slots,
            };
            device.dropout(&x[0], &x[1], mask, p, out)
        }
        (Op::RoundBf16, [out]) => device.round_bf16(&x[0], out),
        (Op::SumSquares { accumulate }, [out]) => device.sum_squares(&x[0], out, store(accumulate)),
        (Op::ClipFactor { max_norm }, [out]) => device.clip_factor(&x[0], max_norm, out),
        (Op::NextPowers(settings), [out]) => {
            device.next_powers(out, settings.beta1, settings.beta2)
        }
        (Op::AdamW(settings), [param, first, second]) => {
            let settings = DeviceAdamW {
                beta1: settings.beta1,
                beta2: settings.beta2,
                eps: settings.eps,
                weight_decay: settings.weight_decay,
                powers: &x[4],
                rate: &x[5],
            };
            device.adamw(param, &x[1], first, second, &settings)
        }
        (op, outputs) => unreachable!("{} with {} outputs", op.name(), outputs.len()),
    }
}

fn store(accumulate: bool) -> Store {
    match accumulate {
        true => Store::Accumulate,
        false => Store::Overwrite,
    }
}
