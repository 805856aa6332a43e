//! Prints the time per element of the row and elementwise operators, in nanoseconds.
//!
//! `cargo run --release -p assay-kernel --example operators`

use std::time::Instant;

use assay_kernel::{AdamW, AttentionShape, ConfigError, Isa, Kernel, Store};

/// The best of repeated runs, in nanoseconds per element.
fn best(elements: usize, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed().as_secs_f64() < 0.3 {
        let one = Instant::now();
        work();
        best = best.min(one.elapsed().as_secs_f64());
    }
    best * 1e9 / elements as f64
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), ConfigError> {
    let (rows, cols) = (512, 512);
    let n = rows * cols;
    let x: Vec<f32> = (0..n).map(|i| (i % 97) as f32 / 20.0 - 2.0).collect();
    let w = vec![1.0; cols];
    let (mut a, mut b, mut c) = (vec![0.0; n], x.clone(), vec![0.0; n]);
    let mut inv = vec![0.0; rows];
    let labels = vec![3; rows];
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let k = Kernel::new(isa, 1)?;
        println!("{isa}, one thread, {rows} x {cols}");
        let show = |name: &str, ns: f64| println!("  {name:24} {ns:8.3} ns");
        show("add", best(n, || k.add(&x, &b, &mut a)));
        show("silu_mul", best(n, || k.silu_mul(&x, &b, &mut a)));
        let ns = best(n, || k.silu_mul_backward(&x, &x, &x, &mut a, &mut c));
        show("silu_mul_backward", ns);
        show("softmax_rows", best(n, || k.softmax_rows(&x, cols, &mut a)));
        show(
            "softmax_rows_backward",
            best(n, || k.softmax_rows_backward(&x, &b, cols, &mut a)),
        );
        show(
            "rmsnorm",
            best(n, || k.rmsnorm(&x, &w, 1e-5, &mut a, &mut inv)),
        );
        let ns = best(n, || k.rmsnorm_backward(&x, &x, &w, &inv, &mut a, None));
        show("rmsnorm_backward", ns);
        let mut dw = vec![0.0; cols];
        let ns = best(n, || {
            k.rmsnorm_backward(&x, &x, &w, &inv, &mut a, Some(&mut dw))
        });
        show("rmsnorm_backward, weight", ns);
        show(
            "column_sums",
            best(n, || k.column_sums(&x, &mut dw, Store::Overwrite)),
        );
        let mut loss = vec![0.0; rows];
        let ns = best(n, || {
            k.cross_entropy_gradient(&mut a, &labels, cols, &mut loss, 0.1)
        });
        show("cross_entropy", ns);
        let table = vec![0.5; rows * 32];
        show(
            "rope",
            best(n, || {
                k.rope(&mut a, &table, &table, rows, cols / 64, 64, false)
            }),
        );
        let o = AdamW {
            lr: 1e-4,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.01,
            bias1: 0.5,
            bias2: 0.5,
        };
        b.fill(0.5);
        show("adamw", best(n, || k.adamw(&mut a, &x, &mut c, &mut b, &o)));
        let s = AttentionShape {
            batch: 4,
            seq: 128,
            heads: 4,
            kv_heads: 2,
            head_dim: 32,
        };
        let (q, kv) = (vec![0.1; s.query_len()], vec![0.2; s.key_len()]);
        let (mut out, mut probs) = (vec![0.0; s.query_len()], vec![0.0; s.probs_len()]);
        let ns = best(s.probs_len(), || {
            k.attention(&q, &kv, &kv, s, 0.2, &mut out, &mut probs)
        });
        show("attention, per score", ns);
        let (mut dq, mut dk, mut dv) = (q.clone(), kv.clone(), kv.clone());
        let ns = best(s.probs_len(), || {
            k.attention_backward(
                &out, &q, &kv, &kv, &probs, s, 0.2, &mut dq, &mut dk, &mut dv,
            );
        });
        show("attention_backward", ns);
    }
    Ok(())
}
