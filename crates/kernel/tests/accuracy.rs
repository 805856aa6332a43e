//! The operators compute what their names say: values against f64, gradients against central
//! differences of f64 forward passes.
#![allow(clippy::unwrap_used)]

use assay_kernel::random::Stream;
use assay_kernel::{AdamW, AttentionShape, BiasPowers, Isa, Kernel, MatMut, MatRef, Store};

fn kernel() -> Kernel {
    Kernel::new(Isa::Scalar, 1).unwrap()
}

fn values(index: u64, n: usize) -> Vec<f32> {
    let mut s = Stream::new(&[4; 32], 0, index);
    (0..n).map(|_| s.normal()).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

#[track_caller]
fn close(found: &[f32], wanted: &[f64], tolerance: f64) {
    assert_eq!(found.len(), wanted.len());
    for (i, (f, w)) in found.iter().zip(wanted).enumerate() {
        let error = (f64::from(*f) - w).abs();
        assert!(
            error <= tolerance * (1.0 + w.abs()),
            "element {i}: {f} instead of {w}"
        );
    }
}

/// The gradient of `sum(weights * f(x))` by central differences.
fn slope(f: impl Fn(&[f64]) -> Vec<f64>, x: &[f32], weights: &[f32]) -> Vec<f64> {
    let total = |x: &[f64]| -> f64 {
        f(x).iter()
            .zip(weights)
            .map(|(y, w)| y * f64::from(*w))
            .sum()
    };
    let x = wide(x);
    let h = 1e-6;
    (0..x.len())
        .map(|i| {
            let (mut up, mut down) = (x.clone(), x.clone());
            up[i] += h;
            down[i] -= h;
            (total(&up) - total(&down)) / (2.0 * h)
        })
        .collect()
}

#[test]
fn product_matches_f64() {
    let (m, n, k) = (7, 9, 700);
    let (a, b) = (values(1, m * k), values(2, k * n));
    let mut c = vec![0.0; m * n];
    kernel().gemm(
        MatRef::row_major(&a, m, k),
        MatRef::row_major(&b, k, n),
        &mut MatMut::row_major(&mut c, m, n),
        Store::Overwrite,
    );
    let exact = |i: usize| -> f64 {
        (0..k)
            .map(|l| f64::from(a[i / n * k + l]) * f64::from(b[l * n + i % n]))
            .sum()
    };
    close(&c, &(0..m * n).map(exact).collect::<Vec<_>>(), 2e-5);
}

fn rmsnorm(x: &[f64], weight: &[f64], eps: f64) -> Vec<f64> {
    let rows = x.chunks(weight.len()).flat_map(|x| {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let inv = 1.0 / (mean + eps).sqrt();
        x.iter()
            .zip(weight)
            .map(|(x, w)| x * inv * w)
            .collect::<Vec<_>>()
    });
    rows.collect()
}

#[test]
fn rmsnorm_and_its_gradients() {
    let (rows, cols, eps) = (5, 19, 1e-2);
    let (x, weight, dy) = (
        values(1, rows * cols),
        values(2, cols),
        values(3, rows * cols),
    );
    let (mut out, mut inv) = (vec![0.0; rows * cols], vec![0.0; rows]);
    let k = kernel();
    k.rmsnorm(&x, &weight, eps, &mut out, &mut inv);
    let eps = f64::from(eps);
    close(&out, &rmsnorm(&wide(&x), &wide(&weight), eps), 1e-6);
    let (mut dx, mut dw) = (vec![0.0; rows * cols], vec![0.0; cols]);
    k.rmsnorm_backward(&dy, &x, &weight, &inv, &mut dx, Some(&mut dw));
    close(
        &dx,
        &slope(|x| rmsnorm(x, &wide(&weight), eps), &x, &dy),
        1e-5,
    );
    close(
        &dw,
        &slope(|w| rmsnorm(&wide(&x), w, eps), &weight, &dy),
        1e-5,
    );
}

fn silu_mul(gate: &[f64], up: &[f64]) -> Vec<f64> {
    gate.iter()
        .zip(up)
        .map(|(g, u)| g / (1.0 + (-g).exp()) * u)
        .collect()
}

#[test]
fn swiglu_and_its_gradients() {
    let (gate, up, dy) = (values(1, 50), values(2, 50), values(3, 50));
    let (mut out, mut dg, mut du) = (vec![0.0; 50], vec![0.0; 50], vec![0.0; 50]);
    let k = kernel();
    k.silu_mul(&gate, &up, &mut out);
    k.silu_mul_backward(&dy, &gate, &up, &mut dg, &mut du);
    close(&out, &silu_mul(&wide(&gate), &wide(&up)), 1e-6);
    close(&dg, &slope(|g| silu_mul(g, &wide(&up)), &gate, &dy), 1e-5);
    close(&du, &slope(|u| silu_mul(&wide(&gate), u), &up, &dy), 1e-5);
}

fn softmax(x: &[f64]) -> Vec<f64> {
    let m = x.iter().copied().fold(f64::MIN, f64::max);
    let e: Vec<f64> = x.iter().map(|x| (x - m).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

#[test]
fn softmax_and_its_gradient() {
    let (x, dy) = (values(1, 3 * 41), values(2, 3 * 41));
    let f = |x: &[f64]| x.chunks(41).flat_map(softmax).collect::<Vec<_>>();
    let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    let k = kernel();
    k.softmax_rows(&x, 41, &mut y);
    k.softmax_rows_backward(&dy, &y, 41, &mut dx);
    close(&y, &f(&wide(&x)), 1e-6);
    close(&dx, &slope(f, &x, &dy), 1e-6);
}

#[test]
fn cross_entropy_and_its_gradient() {
    let (rows, vocab, scale) = (4, 33, 0.5);
    let logits = values(1, rows * vocab);
    let labels = [3, -100, 32, 0];
    let f = |x: &[f64]| -> Vec<f64> {
        let row = |(x, label): (&[f64], &i32)| match label {
            -100 => 0.0,
            _ => -softmax(x)[*label as usize].ln(),
        };
        x.chunks(vocab).zip(&labels).map(row).collect()
    };
    let (mut loss, mut dx) = (vec![0.0; rows], logits.clone());
    kernel().cross_entropy_gradient(&mut dx, &labels, vocab, &mut loss, scale);
    close(&loss, &f(&wide(&logits)), 1e-6);
    close(&dx, &slope(f, &logits, &[scale; 4]), 1e-6);
}

#[test]
fn a_sure_loss_is_small_and_finite() {
    let mut loss = [9.0; 2];
    let logits = [200.0, -200.0, -200.0, 200.0];
    kernel().cross_entropy(&logits, &[0, 0], 2, &mut loss);
    assert_eq!(loss, [0.0, 400.0]);
}

/// Attention in f64 on `[batch * seq, heads * head_dim]`, key heads shared by groups.
fn attend(q: &[f64], k: &[f64], v: &[f64], s: AttentionShape, scale: f64) -> Vec<f64> {
    let (wq, wk) = (s.heads * s.head_dim, s.kv_heads * s.head_dim);
    let mut out = vec![0.0; q.len()];
    for row in 0..s.batch * s.seq {
        let (batch, i) = (row / s.seq, row % s.seq);
        for h in 0..s.heads {
            let key = |j: usize| (batch * s.seq + j) * wk + h / (s.heads / s.kv_heads) * s.head_dim;
            let query = row * wq + h * s.head_dim;
            let score = |j: usize| -> f64 {
                (0..s.head_dim)
                    .map(|d| q[query + d] * k[key(j) + d])
                    .sum::<f64>()
                    * scale
            };
            let p = softmax(&(0..=i).map(score).collect::<Vec<_>>());
            for (j, p) in p.iter().enumerate() {
                for d in 0..s.head_dim {
                    out[query + d] += p * v[key(j) + d];
                }
            }
        }
    }
    out
}

#[test]
fn attention_and_its_gradients() {
    let s = AttentionShape {
        batch: 2,
        seq: 6,
        heads: 4,
        kv_heads: 2,
        head_dim: 5,
    };
    let (q, dy) = (values(1, s.query_len()), values(2, s.query_len()));
    let (k, v) = (values(3, s.key_len()), values(4, s.key_len()));
    let (qw, kw, vw) = (wide(&q), wide(&k), wide(&v));
    let (mut out, mut probs) = (vec![0.0; q.len()], vec![0.0; s.probs_len()]);
    let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
    let kernel = kernel();
    kernel.attention(&q, &k, &v, s, 0.5, &mut out, &mut probs);
    kernel.attention_backward(&dy, &q, &k, &v, &probs, s, 0.5, &mut dq, &mut dk, &mut dv);
    close(&out, &attend(&qw, &kw, &vw, s, 0.5), 1e-6);
    close(&dq, &slope(|q| attend(q, &kw, &vw, s, 0.5), &q, &dy), 1e-5);
    close(&dk, &slope(|k| attend(&qw, k, &vw, s, 0.5), &k, &dy), 1e-5);
    close(&dv, &slope(|v| attend(&qw, &kw, v, s, 0.5), &v, &dy), 1e-5);
}

#[test]
fn rotation_turns_halves_and_back() {
    let (seq, heads, dim) = (3, 2, 4);
    let x = values(1, 2 * seq * heads * dim);
    let angle = |i: usize| (i / 2) as f32 * [1.0, 0.01][i % 2];
    let cos: Vec<f32> = (0..seq * 2).map(|i| angle(i).cos()).collect();
    let sin: Vec<f32> = (0..seq * 2).map(|i| angle(i).sin()).collect();
    let k = kernel();
    let mut y = x.clone();
    k.rope(&mut y, &cos, &sin, seq, heads, dim, false);
    let exact = |i: usize| {
        let (position, d) = (i / (heads * dim) % seq, i % dim);
        let at = position * 2 + d % 2;
        let (c, s) = (f64::from(cos[at]), f64::from(sin[at]));
        let (this, other) = (
            f64::from(x[i]),
            f64::from(x[if d < 2 { i + 2 } else { i - 2 }]),
        );
        if d < 2 {
            this * c - other * s
        } else {
            this * c + other * s
        }
    };
    close(&y, &(0..x.len()).map(exact).collect::<Vec<_>>(), 1e-6);
    k.rope(&mut y, &cos, &sin, seq, heads, dim, true);
    close(&y, &wide(&x), 1e-6);
}

#[test]
fn adamw_follows_the_paper() {
    let n = 40;
    let (mut p, mut m, mut v) = (values(1, n), vec![0.0; n], vec![0.0; n]);
    let (mut pw, mut mw, mut vw) = (wide(&p), vec![0.0; n], vec![0.0; n]);
    let (lr, beta1, beta2, eps, decay) = (0.01f32, 0.9f32, 0.99f32, 1e-8f32, 0.1f32);
    let wide1 = |x: f32| f64::from(x);
    let mut powers = BiasPowers::START;
    for step in 1..=5 {
        let g = values(10 + step, n);
        powers = powers.next(beta1, beta2);
        let (bias1, bias2) = powers.corrections();
        let o = AdamW {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay: decay,
            bias1,
            bias2,
        };
        kernel().adamw(&mut p, &g, &mut m, &mut v, &o);
        for i in 0..n {
            let g = wide1(g[i]);
            mw[i] = wide1(beta1) * mw[i] + (1.0 - wide1(beta1)) * g;
            vw[i] = wide1(beta2) * vw[i] + (1.0 - wide1(beta2)) * g * g;
            let t = step as i32;
            let mean = mw[i] / (1.0 - wide1(beta1).powi(t));
            let root = (vw[i] / (1.0 - wide1(beta2).powi(t))).sqrt();
            pw[i] -= wide1(lr) * wide1(decay) * pw[i];
            pw[i] -= wide1(lr) * mean / (root + wide1(eps));
        }
    }
    close(&p, &pw, 1e-5);
    close(&m, &mw, 1e-5);
    close(&v, &vw, 1e-5);
}

#[test]
fn sums_and_embeddings() {
    let k = kernel();
    let (x, y) = (values(1, 1003), values(2, 1003));
    close(&[k.sum(&x)], &[wide(&x).iter().sum()], 1e-5);
    let dot = wide(&x).iter().zip(wide(&y)).map(|(x, y)| x * y).sum();
    close(&[k.dot(&x, &y)], &[dot], 1e-5);
    let table = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let mut rows = [0.0; 6];
    k.embedding(&table, &[2, 0, 2], 2, &mut rows);
    assert_eq!(rows, [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
    let mut grad = [9.0; 6];
    k.embedding_backward(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 0, 2], 2, &mut grad);
    assert_eq!(grad, [3.0, 4.0, 0.0, 0.0, 6.0, 8.0]);
    let mut sums = [1.0; 3];
    k.column_sums(
        &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        &mut sums,
        Store::Accumulate,
    );
    assert_eq!(sums, [6.0, 8.0, 10.0]);
}

#[test]
#[should_panic(expected = "lies outside the vocabulary")]
fn a_label_outside_the_vocabulary_is_refused() {
    kernel().cross_entropy(&[0.0; 4], &[4], 4, &mut [0.0]);
}

#[test]
#[should_panic(expected = "does not fit")]
fn a_product_of_other_shape_is_refused() {
    let x = [0.0; 6];
    kernel().gemm(
        MatRef::row_major(&x, 2, 3),
        MatRef::row_major(&x, 2, 3),
        &mut MatMut::row_major(&mut [0.0; 6], 2, 3),
        Store::Overwrite,
    );
}
