//! The fixed point: f32 matrices as integers with one exponent.
//!
//! A tensor `x` whose largest magnitude lies in `[2^e, 2^(e+1))` becomes `X_i`, `x_i * 2^(22 - e)`
//! rounded to the nearest integer, ties to even, so `|X_i| <= 2^23`; its exponent is `22 - e`. A
//! tensor of zeros has exponent 0. The sum of `inner` products of two such integers is at most
//! `inner * 2^46` in magnitude, which for `inner <= 2^16` is below `2^63`: the sum modulo 2^64, read
//! as a signed number, is the exact one. It becomes f32 once, at the end: the nearest f32 to the
//! integer, ties to even, times `2^-(exponents of both)`.
//!
//! Everything is a shift, a rounding or an integer operation, so the bits are the same everywhere.
//! The exponent follows the tensor rather than being fixed, because gradients are many powers of
//! two smaller than activations; it stays with the requester.

/// The largest magnitude is `2^BITS`.
pub const BITS: i32 = 23;
/// The longest sum that is exact.
pub const MAX_INNER: usize = 1 << 16;

/// Integers with a common exponent: `value = integer * 2^-exponent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The integers, at most `2^23` in magnitude.
    pub integers: Vec<i32>,
    /// The exponent.
    pub exponent: i32,
}

impl Fixed {
    /// Quantises finite values; `None` when one is a NaN or infinity.
    pub fn of(values: &[f32]) -> Option<Self> {
        let mut largest = 0.0f32;
        for value in values {
            if !value.is_finite() {
                return None;
            }
            largest = largest.max(value.abs());
        }
        if largest == 0.0 {
            return Some(Self {
                integers: vec![0; values.len()],
                exponent: 0,
            });
        }
        // Every f32 is a normal f64, so its exponent field is the logarithm.
        let log2 = (f64::from(largest).to_bits() >> 52) as i32 - 1023;
        let exponent = BITS - 1 - log2;
        let factor = power_of_two(exponent);
        let integer = |value: &f32| (f64::from(*value) * factor).round_ties_even() as i32;
        Some(Self {
            integers: values.iter().map(integer).collect(),
            exponent,
        })
    }
}

/// The f32 that a sum of products stands for.
pub fn rescale(sum: i64, exponent: i32) -> f32 {
    (f64::from(sum as f32) * power_of_two(-exponent)) as f32
}

/// `2^n` for the exponents that occur, all within those of normal f64.
fn power_of_two(n: i32) -> f64 {
    f64::from_bits(((1023 + n.clamp(-1022, 1023)) as u64) << 52)
}
