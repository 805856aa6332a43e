//! exp, sigmoid and log from additions, multiplications and fused multiply-adds.

use crate::arith::Arith;

/// Adding and subtracting this rounds a small f32 to the nearest integer (1.5 * 2^23).
pub(crate) const MAGIC: f32 = f32::from_bits(0x4b40_0000);
/// log2(e).
pub(crate) const LOG2_E: f32 = f32::from_bits(0x3fb8_aa3b);
/// The leading 9 bits of ln 2, so that a product with a small integer is exact.
pub(crate) const LN2_HIGH: f32 = f32::from_bits(0x3f31_8000);
/// ln 2 - `LN2_HIGH`.
pub(crate) const LN2_LOW: f32 = f32::from_bits(0xb95e_8083);
/// Below this exp is +0.
pub(crate) const EXP_MIN: f32 = -87.0;
/// Above this exp is infinity.
pub(crate) const EXP_MAX: f32 = 88.0;
/// exp(r) = 1 + r + r^2 (c2 + c3 r + ... + c6 r^4) on |r| <= ln(2) / 2, highest power first;
/// fitted for least maximum relative error (3.1e-9).
pub(crate) const EXP: [f32; 5] = [
    f32::from_bits(0x3ab5_11e8),
    f32::from_bits(0x3c09_1d10),
    f32::from_bits(0x3d2a_ac79),
    f32::from_bits(0x3e2a_aa49),
    f32::from_bits(0x3eff_fffe),
];
/// The bits of sqrt(1/2): mantissas are reduced to [sqrt(1/2), sqrt(2)).
pub(crate) const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
/// log(1 + f) = f - f^2 / 2 + f^3 (c3 + c4 f + ... + c10 f^7) on the reduced mantissa, highest
/// power first; fitted for least maximum relative error (5.8e-9).
pub(crate) const LOG: [f32; 8] = [
    f32::from_bits(0xbd9c_5ac1),
    f32::from_bits(0x3e02_adb6),
    f32::from_bits(0xbe06_c2a1),
    f32::from_bits(0x3e11_6d0e),
    f32::from_bits(0xbe2a_3922),
    f32::from_bits(0x3e4c_d004),
    f32::from_bits(0xbe80_0113),
    f32::from_bits(0x3eaa_aaaa),
];

/// e^x; +0 below `EXP_MIN`, infinity above `EXP_MAX` and for NaN.
#[inline(always)]
pub(crate) fn exp<F: Arith>(x: f32) -> f32 {
    let t = F::fma(x, LOG2_E, MAGIC);
    let n = t - MAGIC;
    let r = F::fma(n, -LN2_HIGH, x);
    let r = F::fma(n, -LN2_LOW, r);
    let mut p = EXP[0];
    p = F::fma(p, r, EXP[1]);
    p = F::fma(p, r, EXP[2]);
    p = F::fma(p, r, EXP[3]);
    p = F::fma(p, r, EXP[4]);
    p = F::fma(p, r, 1.0);
    p = F::fma(p, r, 1.0);
    let exponent = t.to_bits().wrapping_sub(MAGIC.to_bits()) << 23;
    let y = f32::from_bits(p.to_bits().wrapping_add(exponent));
    let y = if x < EXP_MIN { 0.0 } else { y };
    if x <= EXP_MAX { y } else { f32::INFINITY }
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(crate) fn sigmoid<F: Arith>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<F>(-x))
}

/// The natural logarithm; -infinity at zero, NaN below it and for NaN, infinity at infinity.
#[inline(always)]
pub(crate) fn log<F: Arith>(x: f32) -> f32 {
    if x == 0.0 {
        return f32::NEG_INFINITY;
    }
    if x == f32::INFINITY {
        return x;
    }
    if x.is_nan() || x < 0.0 {
        return f32::NAN;
    }
    // A subnormal is scaled into the normal range, exactly.
    let subnormal = x < f32::MIN_POSITIVE;
    let x = if subnormal { x * 8_388_608.0 } else { x };
    let shift = if subnormal { -23 } else { 0 };
    let exponent = (x.to_bits().wrapping_sub(SQRT_HALF_BITS) as i32) >> 23;
    let f = f32::from_bits(x.to_bits().wrapping_sub((exponent as u32) << 23)) - 1.0;
    let e = (exponent + shift) as f32;
    let z = f * f;
    let mut p = LOG[0];
    for c in &LOG[1..] {
        p = F::fma(p, f, *c);
    }
    let y = (f * z) * p;
    let y = F::fma(e, LN2_LOW, y);
    let y = F::fma(-0.5, z, y);
    let y = f + y;
    F::fma(e, LN2_HIGH, y)
}

#[cfg(test)]
#[path = "elementary_tests.rs"]
mod tests;
