//! The reductions of `reference::reduce`, a whole row of lanes at a time.

use crate::arith::Arith;
use crate::reference::reduce::{LANES, tree};

#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut acc = [0.0; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for x in chunks {
        for l in 0..LANES {
            acc[l] += x[l];
        }
    }
    for (acc, x) in acc.iter_mut().zip(rest) {
        *acc += x;
    }
    tree(acc)
}

#[inline(always)]
pub(crate) fn dot<F: Arith>(a: &[f32], b: &[f32]) -> f32 {
    let mut acc = [0.0; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for l in 0..LANES {
            acc[l] = F::fma(a[l], b[l], acc[l]);
        }
    }
    for ((acc, a), b) in acc.iter_mut().zip(a_rest).zip(b_rest) {
        *acc = F::fma(*a, *b, *acc);
    }
    tree(acc)
}

#[inline(always)]
pub(crate) fn dot3<F: Arith>(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    let mut acc = [0.0; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let (c, c_rest) = c.as_chunks::<LANES>();
    for ((a, b), c) in a.iter().zip(b).zip(c) {
        for l in 0..LANES {
            acc[l] = F::fma(a[l] * b[l], c[l], acc[l]);
        }
    }
    for (((acc, a), b), c) in acc.iter_mut().zip(a_rest).zip(b_rest).zip(c_rest) {
        *acc = F::fma(a * b, *c, *acc);
    }
    tree(acc)
}

#[inline(always)]
pub(crate) fn max(x: &[f32]) -> f32 {
    let mut acc = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for x in chunks {
        for l in 0..LANES {
            acc[l] = if x[l] > acc[l] { x[l] } else { acc[l] };
        }
    }
    for (acc, x) in acc.iter_mut().zip(rest) {
        *acc = if *x > *acc { *x } else { *acc };
    }
    for w in [16, 8, 4, 2, 1] {
        for l in 0..w {
            acc[l] = if acc[l + w] > acc[l] {
                acc[l + w]
            } else {
                acc[l]
            };
        }
    }
    acc[0]
}
