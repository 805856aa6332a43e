//! Sums, dot products and maxima over 32 lanes and a fixed tree.

use crate::arith::Arith;

/// Element `i` belongs to lane `i % LANES`.
pub(crate) const LANES: usize = 32;
/// Rows (or steps along k) whose terms form one chain before it is added to the result.
pub(crate) const BLOCK: usize = 256;

/// `lane[l] += lane[l + w]` for w = 16, 8, 4, 2, 1.
#[inline(always)]
pub(crate) fn tree(mut lane: [f32; LANES]) -> f32 {
    for w in [16, 8, 4, 2, 1] {
        for l in 0..w {
            lane[l] += lane[l + w];
        }
    }
    lane[0]
}

#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut lane = [0.0; LANES];
    for (i, v) in x.iter().enumerate() {
        lane[i % LANES] += v;
    }
    tree(lane)
}

#[inline(always)]
pub(crate) fn dot<F: Arith>(a: &[f32], b: &[f32]) -> f32 {
    let mut lane = [0.0; LANES];
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        lane[i % LANES] = F::fma(*a, *b, lane[i % LANES]);
    }
    tree(lane)
}

/// The sum over i of `(a_i * b_i) * c_i`, the outer product fused.
#[inline(always)]
pub(crate) fn dot3<F: Arith>(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    let mut lane = [0.0; LANES];
    for (i, ((a, b), c)) in a.iter().zip(b).zip(c).enumerate() {
        lane[i % LANES] = F::fma(a * b, *c, lane[i % LANES]);
    }
    tree(lane)
}

/// Lanes start at -infinity; a later value replaces a lane only when strictly greater.
#[inline(always)]
pub(crate) fn max(x: &[f32]) -> f32 {
    let mut lane = [f32::NEG_INFINITY; LANES];
    for (i, v) in x.iter().enumerate() {
        if *v > lane[i % LANES] {
            lane[i % LANES] = *v;
        }
    }
    for w in [16, 8, 4, 2, 1] {
        for l in 0..w {
            if lane[l + w] > lane[l] {
                lane[l] = lane[l + w];
            }
        }
    }
    lane[0]
}

/// Sums over rows for many columns at once: within a block of 256 rows `add_row` adds to chains
/// that start from +0; the first block is stored, later ones added (`accumulate` adds it, too).
#[inline(always)]
pub(crate) fn column_chains(
    rows: usize,
    out: &mut [f32],
    accumulate: bool,
    add_row: impl Fn(usize, &mut [f32]),
) {
    if rows == 0 && !accumulate {
        out.fill(0.0);
    }
    let mut acc = vec![0.0; out.len()];
    for start in (0..rows).step_by(BLOCK) {
        acc.fill(0.0);
        for row in start..rows.min(start + BLOCK) {
            add_row(row, &mut acc);
        }
        for (out, acc) in out.iter_mut().zip(&acc) {
            *out = if start == 0 && !accumulate {
                *acc
            } else {
                *out + acc
            };
        }
    }
}

/// The sums of columns `first..` of `x`, whose rows hold `cols` values.
#[inline(always)]
#[allow(clippy::extra_unused_type_parameters)]
pub(crate) fn column_sums<F: Arith>(
    x: &[f32],
    cols: usize,
    first: usize,
    out: &mut [f32],
    accumulate: bool,
) {
    let rows = x.len() / cols;
    column_chains(rows, out, accumulate, |row, acc| {
        for (acc, x) in acc.iter_mut().zip(&x[row * cols + first..]) {
            *acc += x;
        }
    });
}

/// The sums of `a_rj * b_rj` over r for columns `first..`, fused; rows hold `cols` values.
#[inline(always)]
pub(crate) fn column_dots<F: Arith>(
    a: &[f32],
    b: &[f32],
    cols: usize,
    first: usize,
    out: &mut [f32],
    accumulate: bool,
) {
    let rows = a.len() / cols;
    column_chains(rows, out, accumulate, |row, acc| {
        let at = row * cols + first;
        for ((acc, a), b) in acc.iter_mut().zip(&a[at..]).zip(&b[at..]) {
            *acc = F::fma(*a, *b, *acc);
        }
    });
}
