//! Rounding to the upper half of a binary32, which is bfloat16, and back.
//!
//! `F` is named for the sake of `dispatch!`; nothing here is arithmetic on floats.
#![allow(clippy::extra_unused_type_parameters)]

use crate::arith::Arith;

/// The upper half of the value's bits, to nearest, ties to even; the lower half of the result is
/// zero. Past the largest finite value the carry runs into the exponent, which is infinity.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    let odd = (bits >> 16) & 1;
    let nearest = bits.wrapping_add(0x7fff + odd);
    // The carry could turn a NaN into a number; this bit keeps it one.
    let quiet = bits | 0x0040_0000;
    let nan = bits & 0x7fff_ffff > 0x7f80_0000;
    (if nan { quiet } else { nearest }) & 0xffff_0000
}

/// `out` = the nearest value of `x` that bfloat16 has.
#[inline(always)]
pub(crate) fn round<F: Arith>(x: &[f32], out: &mut [f32]) {
    for (o, x) in out.iter_mut().zip(x) {
        *o = f32::from_bits(rounded(*x));
    }
}

/// The upper halves of what `round` gives.
#[inline(always)]
pub(crate) fn narrow<F: Arith>(x: &[f32], out: &mut [u16]) {
    for (o, x) in out.iter_mut().zip(x) {
        *o = (rounded(*x) >> 16) as u16;
    }
}

/// The values whose upper halves are given.
#[inline(always)]
pub(crate) fn widen<F: Arith>(x: &[u16], out: &mut [f32]) {
    for (o, x) in out.iter_mut().zip(x) {
        *o = f32::from_bits(u32::from(*x) << 16);
    }
}
