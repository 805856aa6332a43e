//! Functions, dropout, clipping, norms and column operators compute what their names say.
#![allow(clippy::unwrap_used)]

use assay_kernel::random::Stream;
use assay_kernel::{Function, Isa, Kernel, Store, clip_factor};

fn kernel() -> Kernel {
    Kernel::new(Isa::Scalar, 1).unwrap()
}

#[test]
fn dropout_follows_its_stream() {
    let (key, purpose, index, p) = ([7; 32], 3, 11, 0.1f32);
    let mut stream = Stream::new(&key, purpose, index);
    // floor(0.1f32 * 2^32): 0.1f32 is 13421773 * 2^-27.
    let threshold = 13_421_773u32 * 32;
    let x: Vec<f32> = (0..20_000).map(|i| 1.0 + i as f32).collect();
    let mut out = vec![9.0; x.len()];
    kernel().dropout(&x, &key, purpose, index, p, &mut out);
    let factor = 1.0 / (1.0 - p);
    let mut dropped = 0;
    for (x, out) in x.iter().zip(&out) {
        let kept = stream.next_u32() >= threshold;
        dropped += usize::from(!kept);
        let wanted = if kept { x * factor } else { 0.0 };
        assert_eq!(out.to_bits(), wanted.to_bits());
    }
    assert!(
        (1850..2150).contains(&dropped),
        "{dropped} of 20000 dropped"
    );
}

#[test]
fn dropout_of_nothing_is_a_copy() {
    let x = [1.5, -2.5, 0.0, 3.25];
    let mut out = [9.0; 4];
    kernel().dropout(&x, &[1; 32], 0, 0, 0.0, &mut out);
    assert_eq!(out, x);
}

#[test]
#[should_panic(expected = "does not lie in 0.0..1.0")]
fn dropout_of_everything_is_refused() {
    kernel().dropout(&[1.0], &[1; 32], 0, 0, 1.0, &mut [0.0]);
}

#[test]
fn clipping_shrinks_only() {
    assert_eq!(clip_factor(0.0, 1.0), 1.0);
    assert_eq!(clip_factor(0.25, 1.0), 1.0);
    assert_eq!(clip_factor(16.0, 1.0), 1.0 / (4.0 + 1e-6));
    assert_eq!(clip_factor(9.0, 0.5), 0.5 / (3.0 + 1e-6));
}

#[test]
fn columns_and_norms() {
    let k = kernel();
    let (a, b) = ([3.0, 4.0, 6.0, 8.0], [1.0, 2.0, 3.0, 4.0]);
    let mut norms = [9.0; 2];
    k.row_norms(&a, 2, &mut norms);
    assert_eq!(norms, [5.0, 10.0]);
    let mut out = [9.0; 4];
    k.scale_columns(&a, &[2.0, -1.0], &mut out);
    assert_eq!(out, [6.0, -4.0, 12.0, -8.0]);
    k.multiply(&a, &b, &mut out);
    assert_eq!(out, [3.0, 8.0, 18.0, 32.0]);
    k.divide(&a, &b, &mut out);
    assert_eq!(out, [3.0, 2.0, 2.0, 2.0]);
    let mut dots = [1.0; 2];
    k.column_dots(&a, &b, &mut dots, Store::Accumulate);
    assert_eq!(dots, [22.0, 41.0]);
    k.row_norms(&[], 0, &mut norms);
    assert_eq!(norms, [0.0; 2]);
}

/// The function in f64.
fn exact(function: Function, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match function {
        Function::Exp => x.exp(),
        Function::Log => x.ln(),
        Function::Sigmoid => sigmoid(x),
        Function::Silu => x * sigmoid(x),
        Function::Tanh => x.tanh(),
        Function::Gelu => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
    }
}

#[test]
fn functions_and_their_slopes() {
    let k = kernel();
    let x: Vec<f32> = (-700..700).map(|i| (i as f32 + 0.5) / 100.0).collect();
    let dy: Vec<f32> = (0..x.len()).map(|i| (i % 7) as f32 - 2.5).collect();
    for function in Function::ALL {
        let (mut y, mut dx) = (vec![9.0; x.len()], vec![9.0; x.len()]);
        k.apply(function, &x, &mut y);
        k.apply_backward(function, &dy, &x, &mut dx);
        for i in 0..x.len() {
            let wide = f64::from(x[i]);
            if function == Function::Log && wide < 0.0 {
                assert!(y[i].is_nan());
                continue;
            }
            let (h, f) = (1e-5 * wide.abs(), |x| exact(function, x));
            let slope = f64::from(dy[i]) * (f(wide + h) - f(wide - h)) / (2.0 * h);
            let close = |found: f32, wanted: f64, tolerance: f64| {
                let error = (f64::from(found) - wanted).abs();
                assert!(
                    error <= tolerance * (1.0 + wanted.abs()),
                    "{function:?} at {wide}: {found} instead of {wanted}"
                );
            };
            close(y[i], f(wide), 4e-7);
            close(dx[i], slope, 2e-6);
        }
    }
}

#[test]
fn functions_keep_what_is_no_number() {
    for function in Function::ALL {
        let (mut y, mut dx) = ([9.0], [9.0]);
        kernel().apply(function, &[f32::NAN], &mut y);
        kernel().apply_backward(function, &[1.0], &[f32::NAN], &mut dx);
        assert!(y[0].is_nan() && dx[0].is_nan(), "{function:?}");
    }
}
