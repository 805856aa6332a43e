//! Rows of 8-bit integers with one scale each, and their product.

use super::elementary::MAGIC;
use crate::arith::Arith;
use crate::matrix::{MatMut, Store};
use crate::pack::quads::{PANEL, QUAD, QuadsRef};

/// 2^-100: a row whose largest magnitude is smaller counts as zeros, so that neither the scale nor
/// its inverse leaves the normal numbers.
const SMALLEST: u32 = 0x0d80_0000;
const INFINITE: u32 = 0x7f80_0000;
const MAGNITUDE: u32 = 0x7fff_ffff;

/// One row of `y = x` or `y = x * factors`; returns its scale.
///
/// `m` is the largest magnitude by its bits as an integer, so that a NaN exceeds everything;
/// `scale = m / 127`, `inv = 127 / m`, `q = bits((y * inv) + MAGIC) - bits(MAGIC)`, which is
/// `y * inv` rounded to nearest even. With `m < 2^-100` scale and row are zero; with an infinite or
/// NaN `m` the row is zero and the scale is not finite, so no product with it is.
#[inline(always)]
pub(crate) fn row(x: &[f32], factors: Option<&[f32]>, q: &mut [i8]) -> f32 {
    match factors {
        None => row_of(|| x.iter().copied(), q),
        Some(factors) => row_of(|| x.iter().zip(factors).map(|(x, f)| x * f), q),
    }
}

#[inline(always)]
fn row_of<I: Iterator<Item = f32>>(values: impl Fn() -> I, q: &mut [i8]) -> f32 {
    let most = values().fold(0, |most, y| (y.to_bits() & MAGNITUDE).max(most));
    let m = f32::from_bits(most);
    let scale = m / 127.0;
    if most < SMALLEST {
        q.fill(0);
        return 0.0;
    }
    if most >= INFINITE {
        q.fill(0);
        return scale;
    }
    let inv = 127.0 / m;
    for (q, y) in q.iter_mut().zip(values()) {
        // The low byte is the whole difference: it lies within 127 of zero.
        *q = ((y * inv) + MAGIC).to_bits() as i8;
    }
    scale
}

/// Rows of `cols` values.
#[inline(always)]
#[allow(clippy::extra_unused_type_parameters)]
pub(crate) fn rows<F: Arith>(
    x: &[f32],
    factors: Option<&[f32]>,
    cols: usize,
    q: &mut [i8],
    scale: &mut [f32],
) {
    let all = x.chunks_exact(cols).zip(q.chunks_exact_mut(cols));
    for ((x, q), scale) in all.zip(scale) {
        *scale = row(x, factors, q);
    }
}

/// `c_ij = (f32(sum_k qa_ik * qb_kj) * sa_i) * sb_j`, or that added to `c_ij`; without `sb` its
/// multiplication is left out.
#[inline(always)]
#[allow(clippy::extra_unused_type_parameters)]
pub(crate) fn product<F: Arith>(
    qa: &[i8],
    sa: &[f32],
    b: QuadsRef<'_>,
    sb: Option<&[f32]>,
    c: &mut MatMut<'_>,
    store: Store,
) {
    let (cols, depth) = (c.cols(), b.depth);
    // In 16 bits and along k, where the compiler finds the instruction for pairs of products.
    let mut columns = vec![0i16; PANEL * depth];
    let mut left = vec![0i16; depth];
    for first in (0..cols).step_by(PANEL) {
        let panel = b.panel(first / PANEL);
        for (j, column) in columns.chunks_exact_mut(depth.max(1)).enumerate() {
            for (k, value) in column.iter_mut().enumerate() {
                *value = panel[(k / QUAD * PANEL + j) * QUAD + k % QUAD].into();
            }
        }
        for (i, sa) in sa.iter().enumerate() {
            for (left, value) in left.iter_mut().zip(&qa[i * depth..]) {
                *left = (*value).into();
            }
            let row = &mut c.row_mut(i)[first..cols.min(first + PANEL)];
            for (j, c) in row.iter_mut().enumerate() {
                let column = &columns[j * depth..][..depth];
                let mut value = dot(&left, column) as f32 * sa;
                if let Some(sb) = sb {
                    value *= sb[first + j];
                }
                match store {
                    Store::Overwrite => *c = value,
                    Store::Accumulate => *c += value,
                }
            }
        }
    }
}

/// Without checks for an overflow, which there cannot be and which would keep it from being compiled
/// to vectors.
#[inline(always)]
fn dot(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).fold(0, |sum: i32, (a, b)| {
        sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b)))
    })
}
