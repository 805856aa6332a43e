//! What differs between code paths inside one body: the fused multiply-add and the reductions.

use crate::lanes;
use crate::reference::reduce;

/// How a code path computes the few things that row operators are built from.
///
/// Every implementation gives the same bits; the default reductions are the plain ones.
pub(crate) trait Arith: Copy + Send + Sync + 'static {
    /// `a * b + c`, rounded once to nearest even.
    fn fma(a: f32, b: f32, c: f32) -> f32;

    /// The lane sum of `x`.
    #[inline(always)]
    fn sum(x: &[f32]) -> f32 {
        reduce::sum(x)
    }

    /// The lane sum of `a_i * b_i`, fused.
    #[inline(always)]
    fn dot(a: &[f32], b: &[f32]) -> f32 {
        reduce::dot::<Self>(a, b)
    }

    /// The lane sum of `(a_i * b_i) * c_i`, the outer product fused.
    #[inline(always)]
    fn dot3(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
        reduce::dot3::<Self>(a, b, c)
    }

    /// The lane maximum of `x`; -infinity when empty.
    #[inline(always)]
    fn max(x: &[f32]) -> f32 {
        reduce::max(x)
    }
}

/// The processor's instruction.
///
/// Only for bodies compiled with the instruction enabled (see `dispatch!`); elsewhere the
/// compiler would call the C library's `fmaf`, which is wrong on some platforms.
#[derive(Clone, Copy)]
pub(crate) struct Hard;

impl Arith for Hard {
    #[inline(always)]
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

/// Integer and f64 arithmetic only.
#[derive(Clone, Copy)]
pub(crate) struct Soft;

impl Arith for Soft {
    /// The product of two f32 is exact in f64. The f64 sum is rounded to odd, which keeps enough
    /// of the discarded part for the final rounding to f32 to be the correct one
    /// (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
    #[inline(always)]
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        let p = f64::from(a) * f64::from(b);
        let c = f64::from(c);
        let s = p + c;
        // The exact error of `s` (Knuth's two-sum); NaN when an operand is not finite.
        let t = s - p;
        let e = (p - (s - t)) + (c - t);
        let bits = s.to_bits();
        let inexact = e.abs() > 0.0;
        let step = if (e > 0.0) == (s > 0.0) { 1 } else { u64::MAX };
        let odd = if inexact && bits & 1 == 0 {
            bits.wrapping_add(step)
        } else {
            bits
        };
        f64::from_bits(odd) as f32
    }
}

/// The processor's instruction, and reductions shaped for vector registers.
#[derive(Clone, Copy)]
pub(crate) struct Wide;

impl Arith for Wide {
    #[inline(always)]
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn sum(x: &[f32]) -> f32 {
        lanes::sum(x)
    }

    #[inline(always)]
    fn dot(a: &[f32], b: &[f32]) -> f32 {
        lanes::dot::<Self>(a, b)
    }

    #[inline(always)]
    fn dot3(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
        lanes::dot3::<Self>(a, b, c)
    }

    #[inline(always)]
    fn max(x: &[f32]) -> f32 {
        lanes::max(x)
    }
}

#[cfg(test)]
#[path = "arith_tests.rs"]
mod tests;
