//! Logarithm, exponential, sine and cosine in f64 from `+ - * /` alone.
//!
//! The C library's differ between platforms in the last bits. These are fixed polynomials
//! evaluated in a fixed order, so that the rotary tables, which are part of a model, have the same
//! bits wherever they are made. Accurate to a few units in the last place of f64 on the ranges
//! given, far beyond the f32 they are rounded to.

const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
/// pi / 2 in three parts of 33 bits each and the rest: `k * PART` is exact for k below 2^20.
const HALF_PI: [f64; 3] = [
    f64::from_bits(0x3ff9_21fb_5440_0000),
    f64::from_bits(0x3dd0_b461_1a60_0000),
    f64::from_bits(0x3ba3_198a_2e03_7073),
];
const TWO_OVER_PI: f64 = f64::from_bits(0x3fe4_5f30_6dc9_c883);

/// The natural logarithm of a positive, normal `x`.
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh(s); |s| < 0.172, so 14 terms leave less than 2^-70.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    for n in (0..14).rev() {
        sum = sum * square + 1.0 / f64::from(2 * n + 1);
    }
    let e = exponent as f64;
    e * LN2_HIGH + (e * LN2_LOW + 2.0 * s * sum)
}

/// e to the power `x`, for |x| below 700.
pub(crate) fn exp(x: f64) -> f64 {
    let k = (x / std::f64::consts::LN_2 + 0.5).floor();
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    // |r| < 0.35: the Taylor series to degree 18.
    let mut sum = 1.0;
    for n in (1..19).rev() {
        sum = 1.0 + r * sum / f64::from(n);
    }
    sum * f64::from_bits(((k as i64 + 1023) as u64) << 52)
}

/// Sine and cosine of `x`, for 0 <= x < 2^20.
pub(crate) fn sin_cos(x: f64) -> (f64, f64) {
    let k = (x * TWO_OVER_PI + 0.5).floor();
    let r = ((x - k * HALF_PI[0]) - k * HALF_PI[1]) - k * HALF_PI[2];
    let square = r * r;
    // |r| < 0.79: the Taylor series to degrees 19 and 20.
    let (mut sine, mut cosine) = (1.0, 1.0);
    for n in (1..10).rev() {
        let n = f64::from(n);
        sine = 1.0 - square * sine / ((2.0 * n) * (2.0 * n + 1.0));
    }
    for n in (1..11).rev() {
        let n = f64::from(n);
        cosine = 1.0 - square * cosine / ((2.0 * n - 1.0) * (2.0 * n));
    }
    let sine = r * sine;
    match k as u64 % 4 {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the platform's library, which is a good oracle but not a specified one.
    #[test]
    fn they_agree_with_the_library_to_a_few_ulps() {
        for i in 1..20_000u32 {
            let x = f64::from(i) * 0.731;
            assert!((ln(x) - x.ln()).abs() < 1e-15 * (1.0 + x.ln().abs()));
            let y = -x / 800.0;
            assert!((exp(y) / y.exp() - 1.0).abs() < 1e-14, "{y}");
            let angle = f64::from((f64::from(i) * 7.77) as f32);
            let (sine, cosine) = sin_cos(angle);
            assert!((sine - angle.sin()).abs() < 1e-14, "sin {angle}");
            assert!((cosine - angle.cos()).abs() < 1e-14, "cos {angle}");
        }
    }

    #[test]
    fn exact_points() {
        assert_eq!(sin_cos(0.0), (0.0, 1.0));
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(ln(1.0), 0.0);
    }
}
