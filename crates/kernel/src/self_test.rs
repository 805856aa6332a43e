//! Golden digests of every operator: what a node checks before it joins.

use crate::kernel::{Isa, Kernel};
use crate::matrix::{MatMut, MatRef, Store};
use crate::random::Stream;
use crate::reference::norm::clip_factor;
use crate::shape::{AdamW, AttentionShape, Function, IGNORE};

/// This machine does not compute as specified.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// An operator of a processor path gives other bits.
    #[error(
        "operator {operator} gives wrong bits on the {isa} path (digest {found}, specification \
         {wanted}); this machine must not train or audit, try ASSAY_KERNEL=scalar and check the \
         hardware"
    )]
    Operator {
        /// The operator.
        operator: &'static str,
        /// The path in use.
        isa: Isa,
        /// The digest of its outputs here, hexadecimal.
        found: String,
        /// The digest the specification gives.
        wanted: &'static str,
    },
    /// The device gives other bits, or does not work.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    Device(#[from] crate::cuda::DeviceError),
}

impl Kernel {
    /// Runs every operator on fixed inputs and compares digests of the results with those of
    /// specification [`crate::SPEC_VERSION`]; a device is compared with the processor. Takes some
    /// tens of milliseconds.
    ///
    /// # Errors
    /// Names the first operator whose bits differ.
    pub fn self_test(&self) -> Result<(), SelfTestError> {
        for ((operator, run), wanted) in OPERATORS.into_iter().zip(GOLDEN) {
            let found = digest(&run(self));
            if found != wanted {
                return Err(SelfTestError::Operator {
                    operator,
                    isa: self.isa(),
                    found,
                    wanted,
                });
            }
        }
        #[cfg(feature = "cuda")]
        if let Some(device) = self.device() {
            crate::cuda::compare(self, device, 0)?;
        }
        Ok(())
    }
}

/// BLAKE3 of the values' little-endian bytes.
fn digest(values: &[f32]) -> String {
    let mut hasher = blake3::Hasher::new();
    for value in values {
        hasher.update(&value.to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// An operator's name and its outputs, one after the other.
type Operator = (&'static str, fn(&Kernel) -> Vec<f32>);

const OPERATORS: [Operator; 27] = [
    ("random", |_| random()),
    ("gemm", gemm),
    ("gemm_packed", gemm_packed),
    ("rmsnorm", rmsnorm),
    ("rmsnorm_backward", rmsnorm_backward),
    ("rope", rope),
    ("attention", |k| attention(k, false)),
    ("attention_backward", |k| attention(k, true)),
    ("silu_mul", silu_mul),
    ("silu_mul_backward", silu_mul_backward),
    ("softmax_rows", softmax_rows),
    ("softmax_rows_backward", softmax_rows_backward),
    ("cross_entropy", cross_entropy),
    ("embedding_backward", embedding_backward),
    ("column_sums", column_sums),
    ("elementwise", elementwise),
    ("sum and dot", sum_and_dot),
    ("adamw", adamw),
    ("attention_cached", attention_cached),
    ("dropout", dropout),
    ("row_norms and clip_factor", row_norms),
    ("column_dots and scale_columns", columns),
    ("multiply and divide", multiply_and_divide),
    ("functions", functions),
    ("round_bf16", round_bf16),
    ("quantize_rows", quantize_rows),
    ("product_i8", product_i8),
];

/// The digests of `OPERATORS`, in order.
const GOLDEN: [&str; 27] = [
    "abccc3704d87bbc3ab2db2a6fa843192b6b42c85ebbb256eff4038dd703c3381",
    "726f5bc54c668e11bc96750cfb68f1536521dc8482bfb3579647970824c45540",
    "6df082c424456b73155fbebbc90e8aba17666b92227ca0c86e7ad34c35f81bae",
    "fe7013f46c677f8f15f6a9cc2192cf860341f0a0b87a788a8c5c51e82e4d3497",
    "5dee45aa0efe01f0031ef36e6ea547543fe89d91d3922f6863f9debad9f517d3",
    "d52b5fd0e2d4fa4404a3ee6e3c6ac673c35b095a538bd0d2eaad2da19146162b",
    "8f607e433fa4bc4c625d5c39aceba1094d842c404f0bb58fad32c88d8dfc4185",
    "fa435855153b239dacb1b0ea7e59b72e7ba6eed6e0548f469d51064a0d420575",
    "7d9b8dfdeb6f6cac674c2278aa5263c1bf68444301112b184ca10ed994b6ce68",
    "ede9b8f3792b2a9e089d0795048f3eaa2884e10bd13abe414b59c80ace4022f6",
    "ddc2dde5d2a31abe66419f9144d20c983fcbb5cc4d99d955b18e66fe50c08fe1",
    "56847ab8fc200da81ffaad1c5cdb99d501ce23bfa9c8546d3f23c8e63d458729",
    "55dc34e46a40128ff49fed23cba49e99b08efd83c8dfaf0a3b5ec0dbe2cdf1cc",
    "1124e008484a3e5366f3fe01c64185144c0a34dbc91c37fbc37a1e856080a0c3",
    "77c82ca58423b7ad791dff7c17c12675c9630713c3b4dd05dc10ddabe30495a6",
    "4e3d94ed0c335fde19c7dacb5f15dbf10454cf7dcbb0e9fc5e5ae0b186d0c56b",
    "b9d681d18211aa64ce1769826f44b1697530757a583af764eb1188dcccce1625",
    "1b712c0dfef1b3253fa563db3107fa39d81e5f2324f471236eeca7583296c469",
    "7e988d15e49caa90fd6efd1016ac2c2e831bf1ccf6669a672b3dc0d63cceb2e1",
    "027339eb0c0e3b1cef9c0e82d88cd158b8d5fb8817446ce32e406bd6608a704d",
    "e706d30783ef3222e9dc1b48b150800792f3a01fe8e41c8562d0be211c47d9eb",
    "e705e81d08b1bd080ab15aa6a15efcdfcc40d14f38d52fc481b1e24ae481acad",
    "feabf4fd9e3dc1d605d5bc5b275e22217d88757552b2572bc684fa00f88fbef5",
    "6f4d4b5b6eb4c948b6b26159fbaa68198e7bf9a75a6e4fec975b90e605b88b3b",
    "b3a98184f6170fc15e67a33d5e7767e23dd57deb940778283aa1fad8700a3f03",
    "5a7488c27ded1161f389bd46ad779f76cca39839daa924744679962fb0cc3eec",
    "6f187c625fbd67679ad72542284cdc5844f81ece5af5a81b912c19cea09e4d0d",
];

/// Normal values times powers of two from 1/16 to 16: inputs of a stream of their own.
fn values(index: u64, n: usize) -> Vec<f32> {
    let mut stream = Stream::new(b"assay kernel self-test, inputs  ", 1, index);
    (0..n)
        .map(|_| {
            let power = [0.0625, 0.25, 0.5, 1.0, 1.0, 2.0, 4.0, 16.0][stream.below(8) as usize];
            stream.normal() * power
        })
        .collect()
}

fn random() -> Vec<f32> {
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

fn gemm(k: &Kernel) -> Vec<f32> {
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

fn gemm_packed(k: &Kernel) -> Vec<f32> {
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

fn rmsnorm(k: &Kernel) -> Vec<f32> {
    let (x, weight) = (values(5, ROWS * COLS), values(6, COLS));
    let (mut out, mut inv) = (vec![0.0; ROWS * COLS], vec![0.0; ROWS]);
    k.rmsnorm(&x, &weight, 1e-5, &mut out, &mut inv);
    out.extend_from_slice(&inv);
    out
}

fn rmsnorm_backward(k: &Kernel) -> Vec<f32> {
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

fn rope(k: &Kernel) -> Vec<f32> {
    let (seq, heads, dim) = (9, 3, 22);
    let mut x = values(9, 2 * seq * heads * dim);
    let (cos, sin) = (values(10, seq * dim / 2), values(11, seq * dim / 2));
    k.rope(&mut x, &cos, &sin, seq, heads, dim, false);
    let mut out = x.clone();
    k.rope(&mut x, &cos, &sin, seq, heads, dim, true);
    out.extend_from_slice(&x);
    out
}

fn attention(k: &Kernel, backward: bool) -> Vec<f32> {
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

fn silu_mul(k: &Kernel) -> Vec<f32> {
    let (gate, up) = (values(16, 2000), values(17, 2000));
    let mut out = vec![0.0; 2000];
    k.silu_mul(&gate, &up, &mut out);
    out
}

fn silu_mul_backward(k: &Kernel) -> Vec<f32> {
    let (dout, gate, up) = (values(18, 2000), values(16, 2000), values(17, 2000));
    let (mut dgate, mut dup) = (vec![0.0; 2000], vec![0.0; 2000]);
    k.silu_mul_backward(&dout, &gate, &up, &mut dgate, &mut dup);
    dgate.extend_from_slice(&dup);
    dgate
}

fn softmax_rows(k: &Kernel) -> Vec<f32> {
    let mut out = vec![0.0; 20 * COLS];
    k.softmax_rows(&values(19, 20 * COLS), COLS, &mut out);
    out
}

fn softmax_rows_backward(k: &Kernel) -> Vec<f32> {
    let mut out = vec![0.0; 20 * COLS];
    k.softmax_rows_backward(
        &values(20, 20 * COLS),
        &values(21, 20 * COLS),
        COLS,
        &mut out,
    );
    out
}

fn cross_entropy(k: &Kernel) -> Vec<f32> {
    let labels: Vec<i32> = (0..20)
        .map(|r| if r % 5 == 4 { IGNORE } else { r * 3 })
        .collect();
    let (mut loss, mut dx) = (vec![0.0; 20], values(22, 20 * COLS));
    k.cross_entropy_gradient(&mut dx, &labels, COLS, &mut loss, 0.0625);
    dx.extend_from_slice(&loss);
    dx
}

fn embedding_backward(k: &Kernel) -> Vec<f32> {
    let ids: Vec<u32> = (0..50).map(|i| i * i % 11).collect();
    let mut table = vec![0.0; 11 * 19];
    k.embedding_backward(&values(23, 50 * 19), &ids, 19, &mut table);
    let mut out = vec![0.0; 50 * 19];
    k.embedding(&table, &ids, 19, &mut out);
    table.extend_from_slice(&out);
    table
}

fn column_sums(k: &Kernel) -> Vec<f32> {
    let x = values(24, ROWS * COLS);
    let (mut sums, mut more) = (vec![0.0; COLS], values(25, COLS));
    k.column_sums(&x, &mut sums, Store::Overwrite);
    k.column_sums(&x, &mut more, Store::Accumulate);
    sums.extend_from_slice(&more);
    sums
}

fn elementwise(k: &Kernel) -> Vec<f32> {
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

fn sum_and_dot(k: &Kernel) -> Vec<f32> {
    let lengths = [0, 1, 31, 32, 33, 1000];
    let value = |n| [k.sum(&values(29, n)), k.dot(&values(29, n), &values(30, n))];
    lengths.into_iter().flat_map(value).collect()
}

fn adamw(k: &Kernel) -> Vec<f32> {
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

fn attention_cached(k: &Kernel) -> Vec<f32> {
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

fn dropout(k: &Kernel) -> Vec<f32> {
    let mut out = vec![0.0; 2000];
    k.dropout(&values(38, 2000), &[9; 32], 4, 5, 0.1, &mut out);
    out
}

fn row_norms(k: &Kernel) -> Vec<f32> {
    let mut out = vec![0.0; ROWS];
    k.row_norms(&values(39, ROWS * COLS), COLS, &mut out);
    let factors: Vec<f32> = out.iter().map(|n| clip_factor(n * n, 5.0)).collect();
    out.extend(factors);
    out
}

fn columns(k: &Kernel) -> Vec<f32> {
    let (a, b) = (values(40, ROWS * COLS), values(41, ROWS * COLS));
    let (mut dots, mut more) = (vec![0.0; COLS], values(42, COLS));
    k.column_dots(&a, &b, &mut dots, Store::Overwrite);
    k.column_dots(&a, &b, &mut more, Store::Accumulate);
    let mut scaled = vec![0.0; ROWS * COLS];
    k.scale_columns(&a, &dots, &mut scaled);
    [dots, more, scaled].concat()
}

fn multiply_and_divide(k: &Kernel) -> Vec<f32> {
    let (a, b) = (values(43, 999), values(44, 999));
    let (mut product, mut quotient) = (vec![0.0; 999], vec![0.0; 999]);
    k.multiply(&a, &b, &mut product);
    k.divide(&a, &b, &mut quotient);
    [product, quotient].concat()
}

fn functions(k: &Kernel) -> Vec<f32> {
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

fn round_bf16(k: &Kernel) -> Vec<f32> {
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

fn quantize_rows(k: &Kernel) -> Vec<f32> {
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

fn product_i8(k: &Kernel) -> Vec<f32> {
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

#[cfg(test)]
#[path = "self_test_tests.rs"]
mod tests;
