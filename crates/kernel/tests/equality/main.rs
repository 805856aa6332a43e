//! Every path on every number of threads gives the bits of the plain definitions.
#![allow(clippy::unwrap_used)]

mod bf16;
mod cached;
mod images;
mod methods;
mod quantized;

use assay_kernel::random::Stream;
use assay_kernel::{AdamW, AttentionShape, IGNORE, Isa, Kernel, MatMut, MatRef, Store, all_finite};
use proptest::prelude::*;

/// The plain path, and every other way this machine can compute.
fn kernels() -> (Kernel, Vec<Kernel>) {
    let plain = Kernel::new(Isa::Scalar, 1).unwrap();
    let mut others = vec![Kernel::without_fma(1).unwrap()];
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        others.extend([1, 2, 3, 8].map(|threads| Kernel::new(isa, threads).unwrap()));
    }
    (plain, others)
}

fn values(index: u64, n: usize) -> Vec<f32> {
    let mut s = Stream::new(&[3; 32], 0, index);
    (0..n).map(|_| s.normal()).collect()
}

/// Runs `work` on every kernel and compares all the outputs it returns, bit for bit.
fn all_agree(what: &str, work: impl Fn(&Kernel) -> Vec<Vec<f32>>) {
    let (plain, others) = kernels();
    let wanted = work(&plain);
    assert!(wanted.iter().all(|x| all_finite(x)), "{what}: not finite");
    for k in others {
        for (n, (found, wanted)) in work(&k).iter().zip(&wanted).enumerate() {
            let differs = found
                .iter()
                .zip(wanted)
                .position(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(differs, None, "{what}: output {n} on {k:?} differs");
        }
    }
}

/// A matrix laid out in one of four ways, and its data.
fn layout(kind: usize, rows: usize, cols: usize, index: u64) -> (Vec<f32>, [usize; 2]) {
    let strides = match kind {
        0 => [cols, 1],
        1 => [1, rows],
        2 => [cols + 3, 1],
        _ => [2 * cols + 1, 2],
    };
    let n = rows * strides[0] + cols * strides[1] + 1;
    (values(index, n), strides)
}

fn product(m: usize, n: usize, k: usize, kinds: (usize, usize), gap: usize) {
    let (a, sa) = layout(kinds.0, m, k, 1);
    let (b, sb) = layout(kinds.1, k, n, 2);
    let old = values(3, m * (n + gap));
    all_agree(
        &format!("gemm {m} x {n} x {k}, layouts {kinds:?}"),
        |kernel| {
            let a = MatRef::new(&a, m, k, sa[0], sa[1]);
            let b = MatRef::new(&b, k, n, sb[0], sb[1]);
            let packed = kernel.pack(b);
            let mut outs = Vec::new();
            for store in [Store::Overwrite, Store::Accumulate] {
                let (mut c, mut d) = (old.clone(), old.clone());
                kernel.gemm(a, b, &mut MatMut::new(&mut c, m, n, n + gap), store);
                kernel.gemm_packed(a, &packed, &mut MatMut::new(&mut d, m, n, n + gap), store);
                assert!(c == d, "a packed product differs from a plain one");
                outs.push(c);
            }
            outs
        },
    );
}

#[test]
fn products_at_the_edges() {
    for (m, n, k) in [
        (0, 3, 2),
        (3, 0, 2),
        (3, 2, 0),
        (1, 1, 1),
        (14, 32, 256),
        (15, 33, 257),
        (6, 16, 255),
        (29, 49, 513),
        (3, 1100, 5),
        (260, 9, 40),
        (41, 8, 300),
        (64, 8, 8),
        (230, 200, 260),
        (100, 800, 70),
    ] {
        for kinds in [(0, 0), (0, 1), (1, 0), (3, 3)] {
            product(m, n, k, kinds, 2);
        }
    }
}

#[test]
fn products_over_several_groups_and_chunks() {
    product(230, 770, 520, (0, 0), 1);
    product(230, 8, 1030, (0, 1), 1);
    product(33, 4130, 20, (0, 0), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn products_of_any_shape(
        m in 0usize..90, n in 0usize..90, k in 0usize..600,
        left in 0usize..4, right in 0usize..4, gap in 0usize..3,
    ) {
        product(m, n, k, (left, right), gap);
    }

    #[test]
    fn attention_of_any_shape(
        batch in 0usize..3, seq in 0usize..70, kv_heads in 1usize..3, group in 1usize..3,
        head_dim in 0usize..40,
    ) {
        attention(AttentionShape { batch, seq, heads: kv_heads * group, kv_heads, head_dim });
    }

    #[test]
    fn rows_of_any_shape(rows in 0usize..40, cols in 0usize..150) {
        row_operators(rows, cols);
    }
}

fn attention(shape: AttentionShape) {
    let (q, dout) = (values(1, shape.query_len()), values(2, shape.query_len()));
    let (k, v) = (values(3, shape.key_len()), values(4, shape.key_len()));
    let scale = 0.3;
    all_agree(&format!("{shape:?}"), |kernel| {
        // Old contents must not show through.
        let mut out = vec![9.0; shape.query_len()];
        let mut probs = vec![9.0; shape.probs_len()];
        kernel.attention(&q, &k, &v, shape, scale, &mut out, &mut probs);
        let (mut dq, mut dk, mut dv) = (
            out.clone(),
            vec![9.0; shape.key_len()],
            vec![8.0; shape.key_len()],
        );
        kernel.attention_backward(
            &dout, &q, &k, &v, &probs, shape, scale, &mut dq, &mut dk, &mut dv,
        );
        vec![out, probs, dq, dk, dv]
    });
}

#[test]
fn attention_over_several_blocks() {
    for (seq, head_dim) in [(1, 1), (255, 8), (256, 4), (257, 33), (530, 16)] {
        attention(AttentionShape {
            batch: 1,
            seq,
            heads: 2,
            kv_heads: 1,
            head_dim,
        });
    }
    attention(AttentionShape {
        batch: 3,
        seq: 130,
        heads: 4,
        kv_heads: 4,
        head_dim: 64,
    });
    attention(AttentionShape {
        batch: 1,
        seq: 20,
        heads: 2,
        kv_heads: 1,
        head_dim: 300,
    });
}

fn row_operators(rows: usize, cols: usize) {
    let n = rows * cols;
    let (x, dy, weight) = (values(1, n), values(2, n), values(3, cols));
    all_agree(&format!("rows {rows} x {cols}"), |k| {
        let (mut out, mut inv) = (vec![9.0; n], vec![9.0; rows]);
        k.rmsnorm(&x, &weight, 1e-5, &mut out, &mut inv);
        let (mut dx, mut dw) = (vec![9.0; n], vec![9.0; cols]);
        k.rmsnorm_backward(&dy, &x, &weight, &inv, &mut dx, Some(&mut dw));
        let (mut soft, mut dsoft) = (vec![9.0; n], vec![9.0; n]);
        k.softmax_rows(&x, cols, &mut soft);
        k.softmax_rows_backward(&dy, &soft, cols, &mut dsoft);
        let (mut sums, mut more) = (vec![9.0; cols], weight.clone());
        k.column_sums(&x, &mut sums, Store::Overwrite);
        k.column_sums(&x, &mut more, Store::Accumulate);
        let mut biased = x.clone();
        k.add_bias_rows(&mut biased, &weight);
        vec![out, inv, dx, dw, soft, dsoft, sums, more, biased]
    });
}

#[test]
fn rows_that_fill_threads_and_blocks() {
    for (rows, cols) in [
        (1, 1),
        (256, 31),
        (257, 32),
        (600, 33),
        (300, 700),
        (2, 100_000),
    ] {
        row_operators(rows, cols);
    }
}

#[test]
fn elementwise_operators() {
    for n in [0, 1, 7, 8, 31, 33, 200_003] {
        let (a, b, c) = (values(1, n), values(2, n), values(3, n));
        let wide: Vec<f32> = a.iter().map(|x| x * 40.0).collect();
        all_agree(&format!("elementwise {n}"), |k| {
            let (mut sum, mut more, mut scaled) = (vec![9.0; n], a.clone(), a.clone());
            k.add(&a, &b, &mut sum);
            k.add_assign(&mut more, &b);
            k.scale(&mut scaled, 0.37);
            let (mut gated, mut dg, mut du) = (vec![9.0; n], vec![9.0; n], vec![9.0; n]);
            k.silu_mul(&wide, &b, &mut gated);
            k.silu_mul_backward(&c, &wide, &b, &mut dg, &mut du);
            let (mut p, mut m) = (a.clone(), b.clone());
            let mut v: Vec<f32> = c.iter().map(|x| x * x).collect();
            let settings = AdamW {
                lr: 1e-3,
                beta1: 0.9,
                beta2: 0.999,
                eps: 1e-8,
                weight_decay: 0.01,
                bias1: 0.1,
                bias2: 0.001,
            };
            k.adamw(&mut p, &c, &mut m, &mut v, &settings);
            let totals = vec![k.sum(&a), k.dot(&a, &b)];
            vec![sum, more, scaled, gated, dg, du, p, m, v, totals]
        });
    }
}

#[test]
fn rotary_embedding() {
    for (batch, seq, heads, dim) in [(1, 1, 1, 2), (2, 5, 3, 10), (3, 40, 8, 64), (0, 4, 2, 6)] {
        let x = values(1, batch * seq * heads * dim);
        let (cos, sin) = (values(2, seq * dim / 2), values(3, seq * dim / 2));
        all_agree(&format!("rope {batch} {seq} {heads} {dim}"), |k| {
            let (mut y, mut z) = (x.clone(), x.clone());
            k.rope(&mut y, &cos, &sin, seq, heads, dim, false);
            k.rope(&mut z, &cos, &sin, seq, heads, dim, true);
            vec![y, z]
        });
    }
}

#[test]
fn losses() {
    for (rows, vocab) in [(0, 5), (1, 1), (3, 40), (70, 1024), (9, 5003)] {
        let logits: Vec<f32> = values(1, rows * vocab).iter().map(|x| x * 5.0).collect();
        let labels: Vec<i32> = (0..rows)
            .map(|r| {
                if r % 3 == 2 {
                    IGNORE
                } else {
                    (r * 7 % vocab) as i32
                }
            })
            .collect();
        all_agree(&format!("loss {rows} x {vocab}"), |k| {
            let (mut loss, mut only) = (vec![9.0; rows], vec![9.0; rows]);
            let mut dx = logits.clone();
            k.cross_entropy_gradient(&mut dx, &labels, vocab, &mut loss, 0.25);
            k.cross_entropy(&logits, &labels, vocab, &mut only);
            assert!(
                loss == only,
                "the loss depends on whether a gradient is asked for"
            );
            vec![loss, dx]
        });
    }
}

#[test]
fn embeddings() {
    let (vocab, width) = (20, 12);
    let table = values(1, vocab * width);
    let ids: Vec<u32> = (0..100).map(|i| (i * i * 7 + i) % vocab as u32).collect();
    let dout = values(2, ids.len() * width);
    all_agree("embedding", |k| {
        let mut out = vec![9.0; ids.len() * width];
        k.embedding(&table, &ids, width, &mut out);
        let mut grad = vec![9.0; vocab * width];
        k.embedding_backward(&dout, &ids, width, &mut grad);
        vec![out, grad]
    });
}
