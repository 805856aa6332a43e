//! Every operator on fixed inputs.

use crate::kernel::Kernel;
use crate::matrix::{MatMut, MatRef, Store};
use crate::random::Stream;
use crate::reference::norm::clip_factor;
use crate::shape::{AdamW, AttentionShape, Function, IGNORE};

/// Normal values times powers of two from 1/16 to 16: inputs of a stream of their own.
pub(super) fn values(index: u64, n: usize) -> Vec<f32> {
    let mut stream = Stream::new(b"assay kernel self-test, inputs  ", 1, index);
    (0..n)
        .map(|_| {
            let power = [0.0625, 0.25, 0.5, 1.0, 1.0, 2.0, 4.0, 16.0][stream.below(8) as usize];
            stream.normal() * power
        })
        .collect()
}

pub(super) fn random() -> Vec<f32> {
    let mut stream = Stream::new(&[7; 32], 2, 3);
    let mut out: Vec<f32> = stream.permutation(100).iter().map(|n| *n as f32).collect();
    out.extend((0..1000).map(|_| stream.uniform(-1.0, 2.0)));
    out.extend((0..1000).map(|_| stream.normal()));
    out
}

/// Shapes with ragged edges in every direction, and one wide enough for every thread.
const SHAPES: [(usize, usize, usize); 5] = [
    (1, 1, 1),
    (15, 33, 257),
    (40, 8, 70),
    (3, 70, 600),
    (70, 100, 60),
];

pub(super) fn gemm(k: &Kernel) -> Vec<f32> {
    let mut out = Vec::new();
    for (m, n, depth) in SHAPES {
        let (a, b) = (values(0, m * depth), values(1, n * depth));
        let left = [
            MatRef::row_major(&a, m, depth),
            MatRef::row_major(&a, depth, m).t(),
        ];
        let right = [
            MatRef::row_major(&b, depth, n),
            MatRef::row_major(&b, n, depth).t(),
        ];
        for (a, b) in left.into_iter().flat_map(|a| right.map(|b| (a, b))) {
            let mut c = values(2, m * n);
            k.gemm(
                a,
                b,
                &mut MatMut::row_major(&mut c, m, n),
                Store::Accumulate,
            );
            out.extend_from_slice(&c);
            k.gemm(a, b, &mut MatMut::row_major(&mut c, m, n), Store::Overwrite);
            out.extend_from_slice(&c);
        }
    }
    out
}

pub(super) fn gemm_packed(k: &Kernel) -> Vec<f32> {
    let mut out = Vec::new();
    for (m, n, depth) in SHAPES {
        let (a, b) = (values(3, m * depth), values(4, n * depth));
        let packed = k.pack(MatRef::row_major(&b, depth, n));
        let mut c = values(2, m * n);
        let a = MatRef::row_major(&a, m, depth);
        k.gemm_packed(
            a,
            &packed,
            &mut MatMut::row_major(&mut c, m, n),
            Store::Accumulate,
        );
        out.extend_from_slice(&c);
    }
    out
}

const ROWS: usize = 300;
const COLS: usize = 77;

pub(super) fn rmsnorm(k: &Kernel) -> Vec<f32> {
    let (x, weight) = (values(5, ROWS * COLS), values(6, COLS));
    let (mut out, mut inv) = (vec![0.0; ROWS * COLS], vec![0.0; ROWS]);
    k.rmsnorm(&x, &weight, 1e-5, &mut out, &mut inv);
    out.extend_from_slice(&inv);
    out
}

pub(super) fn rmsnorm_backward(k: &Kernel) -> Vec<f32> {
    let (x, dy, weight) = (
        values(5, ROWS * COLS),
        values(7, ROWS * COLS),
        values(6, COLS),
    );
    let mut inv = values(8, ROWS);
    for inv in &mut inv {
        *inv *= *inv;
    }
    let (mut dx, mut dweight) = (vec![0.0; ROWS * COLS], vec![0.0; COLS]);
    k.rmsnorm_backward(&dy, &x, &weight, &inv, &mut dx, Some(&mut dweight));
    dx.extend_from_slice(&dweight);
    dx
}

pub(super) fn rope(k: &Kernel) -> Vec<f32> {
    let (seq, heads, dim) = (9, 3, 22);
    let mut x = values(9, 2 * seq * heads * dim);
    let (cos, sin) = (values(10, seq * dim / 2), values(11, seq * dim / 2));
    k.rope(&mut x, &cos, &sin, seq, heads, dim, false);
    let mut out = x.clone();
    k.rope(&mut x, &cos, &sin, seq, heads, dim, true);
    out.extend_from_slice(&x);
    out
}

pub(super) fn attention(k: &Kernel, backward: bool) -> Vec<f32> {
    let shapes = [
        AttentionShape {
            batch: 2,
            seq: 37,
            heads: 4,
            kv_heads: 2,
            head_dim: 20,
        },
        AttentionShape {
            batch: 1,
            seq: 270,
            heads: 1,
            kv_heads: 1,
            head_dim: 4,
        },
    ];
    let mut all = Vec::new();
    for s in shapes {
        let (q, keys, v) = (
            values(12, s.query_len()),
            values(13, s.key_len()),
            values(14, s.key_len()),
        );
        let (mut out, mut probs) = (vec![0.0; s.query_len()], vec![0.0; s.probs_len()]);
        k.attention(&q, &keys, &v, s, 0.125, &mut out, &mut probs);
        if backward {
            let dout = values(15, s.query_len());
            let (mut dk, mut dv) = (vec![0.0; s.key_len()], vec![0.0; s.key_len()]);
            k.attention_backward(
                &dout, &q, &keys, &v, &probs, s, 0.125, &mut out, &mut dk, &mut dv,
            );
            all.extend([dk, dv].concat());
        }
        all.extend([out, probs].concat());
    }
    all
}

pub(super) fn silu_mul(k: &Kernel) -> Vec<f32> {
    let (gate, up) = (values(16, 2000), values(17, 2000));
    let mut out = vec![0.0; 2000];
    k.silu_mul(&gate, &up, &mut out);
    out
}

pub(super) fn silu_mul_backward(k: &Kernel) -> Vec<f32> {
    let (dout, gate, up) = (values(18, 2000), values(16, 2000), values(17, 2000));
    let (mut dgate, mut dup) = (vec![0.0; 2000], vec![0.0; 2000]);
    k.silu_mul_backward(&dout, &gate, &up, &mut dgate, &mut dup);
    dgate.extend_from_slice(&dup);
    dgate
}

pub(super) fn softmax_rows(k: &Kernel) -> Vec<f32> {
    let mut out = vec![0.0; 20 * COLS];
    k.softmax_rows(&values(19, 20 * COLS), COLS, &mut out);
    out
}

pub(super) fn softmax_rows_backward(k: &Kernel) -> Vec<f32> {
    let mut out = vec![0.0; 20 * COLS];
    k.softmax_rows_backward(
        &values(20, 20 * COLS),
        &values(21, 20 * COLS),
        COLS,
        &mut out,
    );
    out
}

pub(super) fn cross_entropy(k: &Kernel) -> Vec<f32> {
    let labels: Vec<i32> = (0..20)
        .map(|r| if r % 5 == 4 { IGNORE } else { r * 3 })
        .collect();
    let (mut loss, mut dx) = (vec![0.0; 20], values(22, 20 * COLS));
    k.cross_entropy_gradient(&mut dx, &labels, COLS, &mut loss, 0.0625);
    dx.extend_from_slice(&loss);
    dx
}

pub(super) fn embedding_backward(k: &Kernel) -> Vec<f32> {
    let ids: Vec<u32> = (0..50).map(|i| i * i % 11).collect();
    let mut table = vec![0.0; 11 * 19];
    k.embedding_backward(&values(23, 50 * 19), &ids, 19, &mut table);
    let mut out = vec![0.0; 50 * 19];
    k.embedding(&table, &ids, 19, &mut out);
    table.extend_from_slice(&out);
    table
}

pub(super) fn column_sums(k: &Kernel) -> Vec<f32> {
    let x = values(24, ROWS * COLS);
    let (mut sums, mut more) = (vec![0.0; COLS], values(25, COLS));
    k.column_sums(&x, &mut sums, Store::Overwrite);
    k.column_sums(&x, &mut more, Store::Accumulate);
    sums.extend_from_slice(&more);
    sums
}

pub(super) fn elementwise(k: &Kernel) -> Vec<f32> {
    let (a, b, bias) = (
        values(26, 10 * COLS),
        values(27, 10 * COLS),
        values(28, COLS),
    );
    let mut out = vec![0.0; 10 * COLS];
    k.add(&a, &b, &mut out);
    k.add_bias_rows(&mut out, &bias);
    k.scale(&mut out, 0.37);
    k.add_assign(&mut out, &b);
    out
}

pub(super) fn sum_and_dot(k: &Kernel) -> Vec<f32> {
    let lengths = [0, 1, 31, 32, 33, 1000];
    let value = |n| [k.sum(&values(29, n)), k.dot(&values(29, n), &values(30, n))];
    lengths.into_iter().flat_map(value).collect()
}

pub(super) fn adamw(k: &Kernel) -> Vec<f32> {
    let (mut param, grad, mut m) = (values(31, 999), values(32, 999), values(33, 999));
    let mut v: Vec<f32> = values(34, 999).iter().map(|x| x * x).collect();
    let settings = AdamW {
        lr: 0.002,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.01,
        bias1: 0.271,
        bias2: 0.003,
    };
    k.adamw(&mut param, &grad, &mut m, &mut v, &settings);
    [param, m, v].concat()
}

pub(super) fn attention_cached(k: &Kernel) -> Vec<f32> {
    let mut all = Vec::new();
    for (past, seq) in [(0, 5), (37, 1), (254, 4)] {
        let s = AttentionShape {
            batch: 1,
            seq,
            heads: 4,
            kv_heads: 2,
            head_dim: 20,
        };
        let positions = (past + seq) * s.kv_heads * s.head_dim;
        let (keys, v) = (values(35, positions), values(36, positions));
        let mut out = vec![0.0; s.query_len()];
        let q = values(37, s.query_len());
        k.attention_cached(&q, &keys, &v, s, past, 0.125, &mut out);
        all.extend(out);
    }
    all
}

pub(super) fn dropout(k: &Kernel) -> Vec<f32> {
    let mut out = vec![0.0; 2000];
    k.dropout(&values(38, 2000), &[9; 32], 4, 5, 0.1, &mut out);
    out
}

pub(super) fn row_norms(k: &Kernel) -> Vec<f32> {
    let mut out = vec![0.0; ROWS];
    k.row_norms(&values(39, ROWS * COLS), COLS, &mut out);
    let factors: Vec<f32> = out.iter().map(|n| clip_factor(n * n, 5.0)).collect();
    out.extend(factors);
    out
}

pub(super) fn columns(k: &Kernel) -> Vec<f32> {
    let (a, b) = (values(40, ROWS * COLS), values(41, ROWS * COLS));
    let (mut dots, mut more) = (vec![0.0; COLS], values(42, COLS));
    k.column_dots(&a, &b, &mut dots, Store::Overwrite);
    k.column_dots(&a, &b, &mut more, Store::Accumulate);
    let mut scaled = vec![0.0; ROWS * COLS];
    k.scale_columns(&a, &dots, &mut scaled);
    [dots, more, scaled].concat()
}

pub(super) fn multiply_and_divide(k: &Kernel) -> Vec<f32> {
    let (a, b) = (values(43, 999), values(44, 999));
    let (mut product, mut quotient) = (vec![0.0; 999], vec![0.0; 999]);
    k.multiply(&a, &b, &mut product);
    k.divide(&a, &b, &mut quotient);
    [product, quotient].concat()
}

pub(super) fn functions(k: &Kernel) -> Vec<f32> {
    let (dy, mut all) = (values(45, 500), Vec::new());
    // Values of every size a float has, and many of common size.
    let patterns = (0..2000u32).map(|i| f32::from_bits(i * 2_147_483));
    let wide: Vec<f32> = patterns.filter(|x| x.is_finite()).collect();
    for function in Function::ALL {
        for x in [&wide, &values(46, 500)] {
            let mut out = vec![0.0; x.len()];
            k.apply(function, x, &mut out);
            all.extend(out);
        }
        let mut dx = vec![0.0; 500];
        k.apply_backward(function, &dy, &values(46, 500), &mut dx);
        all.extend(dx);
    }
    // Payloads of NaN (logarithms of negative values) are outside the specification.
    all.iter()
        .map(|x| if x.is_nan() { 0.5 } else { *x })
        .collect()
}

pub(super) fn round_bf16(k: &Kernel) -> Vec<f32> {
    let patterns = (0..4000u32).map(|i| f32::from_bits(i * 1_073_741));
    let mut x: Vec<f32> = patterns.filter(|x| !x.is_nan()).collect();
    x.extend(values(47, 500));
    let (mut rounded, mut held) = (vec![0.0; x.len()], vec![0; x.len()]);
    k.round_bf16(&x, &mut rounded);
    k.narrow_bf16(&x, &mut held);
    k.widen_bf16(&held, &mut x);
    rounded.extend(x);
    rounded
}

pub(super) fn quantize_rows(k: &Kernel) -> Vec<f32> {
    let (x, factors) = (values(47, ROWS * COLS), values(48, COLS));
    let mut all = Vec::new();
    for factors in [None, Some(&factors[..])] {
        let (mut q, mut scale) = (vec![0; ROWS * COLS], vec![0.0; ROWS]);
        k.quantize_rows(&x, factors, &mut q, &mut scale);
        all.extend(q.iter().map(|q| f32::from(*q)));
        all.extend(scale);
    }
    all
}

pub(super) fn product_i8(k: &Kernel) -> Vec<f32> {
    let mut out = Vec::new();
    for (m, n, depth) in SHAPES {
        let integers = |index, count| -> Vec<i8> {
            let mut stream = Stream::new(b"assay kernel self-test, integers", 1, index);
            (0..count).map(|_| stream.below(256) as u8 as i8).collect()
        };
        let (a, b) = (integers(0, m * depth), integers(1, n * depth));
        let (sa, sb) = (values(49, m), values(50, n));
        for (rows, cols, transposed) in [(depth, n, false), (n, depth, true)] {
            let packed = k.pack_i8(&b, rows, cols, transposed);
            let mut c = values(51, m * n);
            let to = &mut MatMut::row_major(&mut c, m, n);
            k.product_i8(&a, &sa, &packed, Some(&sb), to, Store::Accumulate);
            out.extend_from_slice(&c);
            let to = &mut MatMut::row_major(&mut c, m, n);
            k.product_i8(&a, &sa, &packed, None, to, Store::Overwrite);
            out.extend_from_slice(&c);
        }
    }
    out
}
