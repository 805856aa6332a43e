//! Sums and multiples of whole tensors.
//!
//! `F` is named for the sake of `dispatch!`; nothing here is fused.
#![allow(clippy::extra_unused_type_parameters)]

use crate::arith::Arith;

/// `out = a + b`.
#[inline(always)]
pub(crate) fn add<F: Arith>(a: &[f32], b: &[f32], out: &mut [f32]) {
    for ((o, a), b) in out.iter_mut().zip(a).zip(b) {
        *o = a + b;
    }
}

/// `out = a * b`.
#[inline(always)]
pub(crate) fn multiply<F: Arith>(a: &[f32], b: &[f32], out: &mut [f32]) {
    for ((o, a), b) in out.iter_mut().zip(a).zip(b) {
        *o = a * b;
    }
}

/// `out = a / b`.
#[inline(always)]
pub(crate) fn divide<F: Arith>(a: &[f32], b: &[f32], out: &mut [f32]) {
    for ((o, a), b) in out.iter_mut().zip(a).zip(b) {
        *o = a / b;
    }
}

/// `a = a + b`.
#[inline(always)]
pub(crate) fn add_assign<F: Arith>(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

/// `x = x * factor`.
#[inline(always)]
pub(crate) fn scale<F: Arith>(x: &mut [f32], factor: f32) {
    for x in x {
        *x *= factor;
    }
}

/// `x_rj = x_rj + bias_j`.
#[inline(always)]
pub(crate) fn add_bias_rows<F: Arith>(x: &mut [f32], bias: &[f32]) {
    for row in x.chunks_exact_mut(bias.len().max(1)) {
        add_assign::<F>(row, bias);
    }
}

/// `out_rj = x_rj * factors_j`.
#[inline(always)]
pub(crate) fn scale_columns<F: Arith>(x: &[f32], factors: &[f32], out: &mut [f32]) {
    let cols = factors.len().max(1);
    for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
        multiply::<F>(x, factors, out);
    }
}

/// `out = x * factor` where the word is at least `threshold`, else +0.
#[inline(always)]
pub(crate) fn keep<F: Arith>(
    x: &[f32],
    words: &[u32],
    threshold: u32,
    factor: f32,
    out: &mut [f32],
) {
    for ((o, x), word) in out.iter_mut().zip(x).zip(words) {
        *o = if *word >= threshold { x * factor } else { 0.0 };
    }
}
