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

/// `out[j]` = sum over rows, in blocks; `accumulate` adds every block to the old value.
#[inline(always)]
#[allow(clippy::extra_unused_type_parameters)]
pub(crate) fn column_sums<F: Arith>(x: &[f32], cols: usize, out: &mut [f32], accumulate: bool) {
    if x.is_empty() && !accumulate {
        out.fill(0.0);
    }
    for (j, o) in out.iter_mut().enumerate() {
        for (b, block) in x.chunks(BLOCK * cols).enumerate() {
            let mut acc = 0.0;
            for row in block.chunks_exact(cols) {
                acc += row[j];
            }
            *o = if b == 0 && !accumulate { acc } else { *o + acc };
        }
    }
}
