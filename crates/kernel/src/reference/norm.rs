//! RMSNorm and Euclidean norms.

use super::reduce::column_chains;
use crate::arith::Arith;

/// One row: `inv = 1 / sqrt(dot(x, x) / n + eps)`, `out = (x * inv) * weight`; returns `inv`.
#[inline(always)]
pub(crate) fn row<F: Arith>(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) -> f32 {
    let variance = F::dot(x, x) / x.len() as f32;
    let inv = 1.0 / (variance + eps).sqrt();
    for ((o, x), w) in out.iter_mut().zip(x).zip(weight) {
        *o = (x * inv) * w;
    }
    inv
}

/// One row of the input gradient: `s = sum((dy * weight) * x)`,
/// `c = (s / n) * ((inv * inv) * inv)`, `dx = fma(-c, x, (dy * weight) * inv)`.
#[inline(always)]
pub(crate) fn row_backward<F: Arith>(
    dy: &[f32],
    x: &[f32],
    weight: &[f32],
    inv: f32,
    dx: &mut [f32],
) {
    let s = F::dot3(dy, weight, x);
    let c = (s / x.len() as f32) * ((inv * inv) * inv);
    for (((dx, dy), x), w) in dx.iter_mut().zip(dy).zip(x).zip(weight) {
        *dx = F::fma(-c, *x, (dy * w) * inv);
    }
}

/// `dweight_j` = chain over rows of `fma(dy, x * inv, acc)` for columns `first..`, in blocks as a
/// column sum; rows hold `cols` values.
#[inline(always)]
pub(crate) fn weight_gradient<F: Arith>(
    dy: &[f32],
    x: &[f32],
    inv_rms: &[f32],
    cols: usize,
    first: usize,
    dweight: &mut [f32],
) {
    column_chains(inv_rms.len(), dweight, false, |row, acc| {
        let at = row * cols + first;
        for ((acc, dy), x) in acc.iter_mut().zip(&dy[at..]).zip(&x[at..]) {
            *acc = F::fma(*dy, x * inv_rms[row], *acc);
        }
    });
}

/// Per row of `cols` values: `sqrt(dot(x, x))`.
#[inline(always)]
pub(crate) fn row_norms<F: Arith>(x: &[f32], cols: usize, out: &mut [f32]) {
    for (x, out) in x.chunks_exact(cols).zip(out) {
        *out = F::dot(x, x).sqrt();
    }
}

/// 1e-6, what [`clip_factor`] adds to the norm.
const CLIP_EPS: f32 = f32::from_bits(0x3586_37bd);

/// What gradients are multiplied by so that their common norm does not exceed `max_norm`:
/// `f = max_norm / (sqrt(sum_of_squares) + 1e-6)`, and 1 unless `f < 1`
/// (PyTorch's `clip_grad_norm_`).
///
/// `sum_of_squares` is the sum of `Kernel::dot(g, g)` over the tensors, in the order the caller
/// specifies.
pub fn clip_factor(sum_of_squares: f32, max_norm: f32) -> f32 {
    let factor = max_norm / (sum_of_squares.sqrt() + CLIP_EPS);
    if factor < 1.0 { factor } else { 1.0 }
}
