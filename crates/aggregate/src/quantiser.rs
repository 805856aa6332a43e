//! Updates as integers.
//!
//! A value `x` becomes one of the two integers around `x 2^exponent`: the upper one with a probability
//! equal to what the lower one leaves, so that the mean over all seeds is `x` (stochastic rounding;
//! Gupta et al., "Deep Learning with Limited Numerical Precision", 2015, section 3). The scale is public
//! and one for all, so integers of different trainers can be added and compared. Everything is done on
//! the bits of the float: no operation rounds on its own.

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::shape::{BadShape, MAX_BITS, largest};

/// What the rounding noise is drawn for.
const PURPOSE: &str = "aggregate/rounding";

/// The exponents that keep every restored value a normal f32.
const EXPONENTS: std::ops::RangeInclusive<i8> = -100..=100;

/// A fixed public scale: an integer `q` stands for `q 2^-exponent`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Quantiser {
    bits: u8,
    exponent: i8,
}

/// Why there is no such quantiser, or a value has no integer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QuantiseError {
    /// Bits outside of their bound.
    #[error(transparent)]
    Bits(#[from] BadShape),
    /// An exponent outside of its bound.
    #[error("the exponent is {0}; choose one from -100 to 100, so that values stay normal floats")]
    Exponent(i8),
    /// A NaN or infinity.
    #[error(
        "coordinate {coordinate} is {value}: an update holds finite numbers only; lower the learning \
         rate or clip gradients, and train again"
    )]
    NotFinite {
        /// Which.
        coordinate: usize,
        /// What it is.
        value: f32,
    },
    /// A value that no integer of these bits stands for.
    #[error(
        "coordinate {coordinate} is {value}, outside of -{limit} to {limit} ({bits} bits, exponent \
         {exponent}); lower the exponent, take more bits (at most 24), or bound the update's norm first"
    )]
    OutOfRange {
        /// Which.
        coordinate: usize,
        /// What it is.
        value: f32,
        /// The largest value that fits.
        limit: f32,
        /// Bits of an integer.
        bits: u8,
        /// The exponent of the scale.
        exponent: i8,
    },
}

impl Default for Quantiser {
    /// 16 bits for values up to 1, in steps of `2^-15`.
    fn default() -> Quantiser {
        Quantiser {
            bits: 16,
            exponent: 15,
        }
    }
}

impl Quantiser {
    /// Integers of `bits` bits in steps of `2^-exponent`.
    ///
    /// # Errors
    /// When bits or exponent are outside of their bounds.
    pub fn new(bits: u8, exponent: i8) -> Result<Quantiser, QuantiseError> {
        if !(2..=MAX_BITS).contains(&bits) {
            return Err(BadShape::Bits(bits).into());
        }
        if !EXPONENTS.contains(&exponent) {
            return Err(QuantiseError::Exponent(exponent));
        }
        Ok(Quantiser { bits, exponent })
    }

    /// Bits of an integer, its sign included.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The exponent of the scale.
    pub fn exponent(&self) -> i8 {
        self.exponent
    }

    /// The largest integer.
    pub fn largest(&self) -> i32 {
        largest(self.bits)
    }

    /// The integers of an update. Coordinate `k` is rounded with word `k` (4 bytes, little endian) of the
    /// stream for `seed` and `index`, whatever the others are; a round's beacon and the trainer's
    /// number make every trainer's noise its own and known to all. The bias is below `2^-32` of a step.
    ///
    /// # Errors
    /// When a value is no finite number or outside of the range: it is never clipped in silence.
    pub fn quantise(
        &self,
        values: &[f32],
        seed: &Digest,
        index: u64,
    ) -> Result<Vec<i32>, QuantiseError> {
        let mut noise = Stream::new(*seed, PURPOSE, index);
        let mut integer = |(coordinate, value): (usize, &f32)| {
            let mut word = [0; 4];
            noise.fill(&mut word);
            self.round(*value, u32::from_le_bytes(word))
                .ok_or_else(|| self.refusal(coordinate, *value))
        };
        values.iter().enumerate().map(&mut integer).collect()
    }

    /// The values that integers stand for, exactly.
    pub fn restore(&self, integers: &[i32]) -> Vec<f32> {
        let step = self.step();
        integers
            .iter()
            .map(|integer| *integer as f32 * step)
            .collect()
    }

    /// `2^-exponent`.
    pub fn step(&self) -> f32 {
        f32::from_bits(((127 - i32::from(self.exponent)) as u32) << 23)
    }

    fn round(&self, value: f32, noise: u32) -> Option<i32> {
        if !value.is_finite() {
            return None;
        }
        let field = ((value.to_bits() >> 23) & 0xff) as i32;
        let fraction = u64::from(value.to_bits() & 0x7f_ffff);
        // The magnitude is `mantissa 2^power` in steps.
        let mantissa = fraction | (u64::from(field != 0) << 23);
        let power = field.max(1) - 150 + i32::from(self.exponent);
        let magnitude = if power >= 0 {
            // 24 bits are all that fit, so a shift further than that is out of range.
            mantissa << power.min(24)
        } else {
            let shift = power.unsigned_abs();
            let whole = mantissa.checked_shr(shift).unwrap_or(0);
            let rest = mantissa - (whole << shift.min(63));
            // What is left, in 2^-32 of a step.
            let chance = (rest << 32).checked_shr(shift).unwrap_or(0);
            whole + u64::from(u64::from(noise) < chance)
        };
        let magnitude = i32::try_from(magnitude).ok()?;
        let signed = if value.is_sign_negative() {
            -magnitude
        } else {
            magnitude
        };
        (magnitude <= self.largest()).then_some(signed)
    }

    fn refusal(&self, coordinate: usize, value: f32) -> QuantiseError {
        if !value.is_finite() {
            return QuantiseError::NotFinite { coordinate, value };
        }
        QuantiseError::OutOfRange {
            coordinate,
            value,
            limit: self.largest() as f32 * self.step(),
            bits: self.bits,
            exponent: self.exponent,
        }
    }
}

#[cfg(test)]
#[path = "quantiser_tests.rs"]
mod tests;
