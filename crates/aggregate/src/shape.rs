//! How many updates of how many coordinates of how many bits, and why nothing overflows.
//!
//! A value has at most `bits` bits with its sign, so its magnitude is at most `M = 2^(bits-1) - 1`.
//! With `bits <= 24`, `n <= 4,096` updates and `d < 2^32` coordinates:
//!
//! | Quantity | Bound | Held in |
//! | --- | --- | --- |
//! | a weighted sum of a column | `W M < 2^63`, with weights that add up to `W < 2^39` | `i64` |
//! | squared distances over a block of 4,096 coordinates | `2^12 (2 M)^2 < 2^60` | `i64` |
//! | products over 65,536 coordinates | `2^16 M^2 < 2^62` | `i64` |
//! | a squared distance | `d (2 M)^2 < 2^80` | 128 bits |
//! | a score of Krum | `n d (2 M)^2 < 2^92` | 128 bits |
//! | a squared distance with 16 fractional bits | `2^16 d (2 M)^2 < 2^96` | 128 bits |

/// The most updates that are aggregated at once.
pub const MAX_UPDATES: usize = 4096;

/// The most coordinates of an update.
pub const MAX_COORDINATES: usize = u32::MAX as usize;

/// The most bits of a value, its sign included.
pub const MAX_BITS: u8 = 24;

/// What the weights of all updates add up to, at most.
pub const MAX_WEIGHT: u64 = (1 << 39) - 1;

/// The size of a set of updates; every one that exists keeps the bounds above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    updates: usize,
    coordinates: usize,
    bits: u8,
}

/// Sizes whose sums could overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadShape {
    /// None, or too many of them.
    #[error(
        "{0} updates: 1 <= n <= {MAX_UPDATES} keeps n d (2 M)^2 below 2^92 and n^2 distances in memory; \
         draw fewer trainers, or aggregate in two levels"
    )]
    Updates(usize),
    /// None, or too many of them.
    #[error(
        "{0} coordinates: 1 <= d <= {MAX_COORDINATES} keeps d (2 M)^2 below 2^80; cut the update into \
         parts and aggregate each"
    )]
    Coordinates(usize),
    /// Too few or too many.
    #[error(
        "values of {0} bits: 2 <= bits <= {MAX_BITS} keeps 2^12 (2 M)^2, M = 2^(bits-1) - 1, below 2^60; \
         choose fewer bits with a smaller exponent"
    )]
    Bits(u8),
}

impl Shape {
    /// So many updates of so many coordinates of so many bits each.
    ///
    /// # Errors
    /// When a number is outside of its bound, which the error names.
    pub fn new(updates: usize, coordinates: usize, bits: u8) -> Result<Shape, BadShape> {
        if !(1..=MAX_UPDATES).contains(&updates) {
            return Err(BadShape::Updates(updates));
        }
        if !(1..=MAX_COORDINATES).contains(&coordinates) {
            return Err(BadShape::Coordinates(coordinates));
        }
        if !(2..=MAX_BITS).contains(&bits) {
            return Err(BadShape::Bits(bits));
        }
        Ok(Shape {
            updates,
            coordinates,
            bits,
        })
    }

    /// How many updates, `n`.
    pub fn updates(&self) -> usize {
        self.updates
    }

    /// How many coordinates each, `d`.
    pub fn coordinates(&self) -> usize {
        self.coordinates
    }

    /// Bits of a value, its sign included.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The largest magnitude of a value, `M`.
    pub fn largest(&self) -> i32 {
        largest(self.bits)
    }
}

/// `2^(bits-1) - 1`: symmetric, so that no value is without its negative.
pub(crate) fn largest(bits: u8) -> i32 {
    (1 << (bits.clamp(2, MAX_BITS) - 1)) - 1
}
