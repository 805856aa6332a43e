//! exp, sigmoid, log, tanh and GELU from basic operations and fused multiply-adds.

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
///
/// Written with selections only, so that loops over it become vector code.
#[inline(always)]
pub(crate) fn log<F: Arith>(x: f32) -> f32 {
    // A subnormal is scaled into the normal range, exactly.
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 8_388_608.0 } else { x };
    let shift = if subnormal { -23 } else { 0 };
    let exponent = (scaled.to_bits().wrapping_sub(SQRT_HALF_BITS) as i32) >> 23;
    let mantissa = scaled.to_bits().wrapping_sub((exponent as u32) << 23);
    let f = f32::from_bits(mantissa) - 1.0;
    let e = exponent.wrapping_add(shift) as f32;
    let z = f * f;
    let mut p = LOG[0];
    for c in &LOG[1..] {
        p = F::fma(p, f, *c);
    }
    let y = (f * z) * p;
    let y = F::fma(e, LN2_LOW, y);
    let y = F::fma(-0.5, z, y);
    let y = f + y;
    let y = F::fma(e, LN2_HIGH, y);
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    let y = if x == f32::INFINITY { x } else { y };
    if x >= 0.0 { y } else { f32::NAN }
}

/// Below this magnitude tanh is a polynomial.
const TANH_SMALL: f32 = 0.625;
/// tanh(x) = x + x^3 (c0 + c1 x^2 + ... + c4 x^8) below `TANH_SMALL`, highest power first; fitted
/// for least maximum relative error (4.5e-9).
const TANH: [f32; 5] = [
    f32::from_bits(0xbbba_8671),
    f32::from_bits(0x3ca8_fc67),
    f32::from_bits(0xbd5c_1ad2),
    f32::from_bits(0x3e08_837b),
    f32::from_bits(0xbeaa_aa99),
];

/// The hyperbolic tangent: a polynomial near zero, `1 - 2 / (e^2x + 1)` elsewhere.
#[inline(always)]
pub(crate) fn tanh<F: Arith>(x: f32) -> f32 {
    let a = x.abs();
    let z = a * a;
    let mut p = TANH[0];
    for c in &TANH[1..] {
        p = F::fma(p, z, *c);
    }
    let small = F::fma(a * z, p, a);
    let large = 1.0 - 2.0 / (exp::<F>(a + a) + 1.0);
    let y = if a < TANH_SMALL { small } else { large };
    y.copysign(x)
}

/// 2 sqrt(2 / pi).
const GELU_LINEAR: f32 = f32::from_bits(0x3fcc_422a);
/// 2 sqrt(2 / pi) * 0.044715.
const GELU_CUBIC: f32 = f32::from_bits(0x3d92_2279);
/// Three times `GELU_CUBIC`.
const GELU_SLOPE: f32 = f32::from_bits(0x3e5b_33b6);
/// Squares are cut here, far behind the point where the gate is 0 or 1, so that none overflows.
const GELU_SQUARE: f32 = 128.0;

/// The gate of GELU, and the square it was computed from.
#[inline(always)]
fn gelu_gate<F: Arith>(x: f32) -> (f32, f32) {
    let z = x * x;
    let z = if z < GELU_SQUARE { z } else { GELU_SQUARE };
    (sigmoid::<F>(x * F::fma(z, GELU_CUBIC, GELU_LINEAR)), z)
}

/// GELU in the tanh form, `x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2`, written as
/// `x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3))`, which is the same function without the
/// cancellation for negative x.
#[inline(always)]
pub(crate) fn gelu<F: Arith>(x: f32) -> f32 {
    x * gelu_gate::<F>(x).0
}

/// The derivative of [`gelu`].
#[inline(always)]
pub(crate) fn gelu_slope<F: Arith>(x: f32) -> f32 {
    let (s, z) = gelu_gate::<F>(x);
    F::fma(x * (s * (1.0 - s)), F::fma(z, GELU_SLOPE, GELU_LINEAR), s)
}

#[cfg(test)]
#[path = "elementary_tests.rs"]
mod tests;
