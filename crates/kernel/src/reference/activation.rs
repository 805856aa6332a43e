//! SwiGLU's gate, the rectifier and the softmax.

use super::elementary::{exp, sigmoid};

use crate::arith::Arith;

/// `out = (gate * sigmoid(gate)) * up`.
#[inline(always)]
pub(crate) fn silu_mul<F: Arith>(gate: &[f32], up: &[f32], out: &mut [f32]) {
    for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
        *o = (g * sigmoid::<F>(*g)) * u;
    }
}

/// With `s = sigmoid(gate)`: `dup = dout * (gate * s)`,
/// `dgate = (dout * up) * (s * fma(gate, 1 - s, 1))`.
#[inline(always)]
pub(crate) fn silu_mul_backward<F: Arith>(
    dout: &[f32],
    gate: &[f32],
    up: &[f32],
    dgate: &mut [f32],
    dup: &mut [f32],
) {
    for i in 0..dout.len() {
        let s = sigmoid::<F>(gate[i]);
        dup[i] = dout[i] * (gate[i] * s);
        dgate[i] = (dout[i] * up[i]) * (s * F::fma(gate[i], 1.0 - s, 1.0));
    }
}

/// `out = x`, and +0 where `x <= 0`: a NaN stays one.
#[inline(always)]
#[allow(
    clippy::extra_unused_type_parameters,
    reason = "for the sake of `dispatch!`"
)]
pub(crate) fn relu<F: Arith>(x: &[f32], out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = if *x <= 0.0 { 0.0 } else { *x };
    }
}

/// `dx = dy`, and +0 where `x <= 0`.
#[inline(always)]
#[allow(
    clippy::extra_unused_type_parameters,
    reason = "for the sake of `dispatch!`"
)]
pub(crate) fn relu_backward<F: Arith>(dy: &[f32], x: &[f32], dx: &mut [f32]) {
    for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
        *dx = if *x <= 0.0 { 0.0 } else { *dy };
    }
}

/// One row: `m = max(x)`, `e = exp(x - m)`, `r = 1 / sum(e)`, `x = e * r`.
#[inline(always)]
pub(crate) fn softmax_in_place<F: Arith>(x: &mut [f32]) {
    let m = F::max(x);
    for x in x.iter_mut() {
        *x = exp::<F>(*x - m);
    }
    let r = 1.0 / F::sum(x);
    for x in x {
        *x *= r;
    }
}

/// One row: `d = dot(dy, y)`, `dx = y * (dy - d)`.
#[inline(always)]
pub(crate) fn softmax_row_backward<F: Arith>(dy: &[f32], y: &[f32], dx: &mut [f32]) {
    let d = F::dot(dy, y);
    for ((dx, dy), y) in dx.iter_mut().zip(dy).zip(y) {
        *dx = y * (dy - d);
    }
}
