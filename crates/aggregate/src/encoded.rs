//! The bytes of an update, one encoding each:
//!
//! | Bytes | What |
//! | --- | --- |
//! | 1 | version, 1 |
//! | 1 | bits of a value, 2 to 24 |
//! | 1 | exponent of the scale, signed, -100 to 100 |
//! | 4 | coordinates, little endian |
//! | 1, 2 or 3 each | values, two's complement, little endian, in as few whole bytes as the bits need |
//!
//! Values outside of `-(2^(bits-1) - 1) .. 2^(bits-1) - 1` are refused, so no value has two encodings.

use assay_crypto::Digest;

use crate::error::AggregateError;
use crate::quantiser::{QuantiseError, Quantiser};
use crate::shape::{BadShape, Shape};
use crate::updates::Updates;

/// The version of the encoding.
const VERSION: u8 = 1;
/// Bytes before the values.
const HEAD: usize = 7;

/// Why bytes are no update.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// Too few bytes for the head.
    #[error("an update has {HEAD} bytes before its values, here are {0}; fetch the whole of it")]
    Short(usize),
    /// Another version.
    #[error("version {0} of an update; this program reads version {VERSION}")]
    Version(u8),
    /// No such scale.
    #[error("the scale cannot be")]
    Scale(#[from] QuantiseError),
    /// More coordinates than are expected, or none.
    #[error("{found} coordinates, where 1 to {limit} are expected; it belongs to another model")]
    Coordinates {
        /// As told.
        found: usize,
        /// The most.
        limit: usize,
    },
    /// Bytes missing, or too many.
    #[error("{found} bytes of values, where {wanted} are told; fetch the update again")]
    Length {
        /// As they are.
        found: usize,
        /// As the head tells.
        wanted: usize,
    },
    /// A value that these bits do not have.
    #[error(
        "coordinate {coordinate} is {value}, outside of -{largest} to {largest}; the update is not canonical"
    )]
    Value {
        /// Which.
        coordinate: usize,
        /// What it is.
        value: i32,
        /// The largest magnitude.
        largest: i32,
    },
}

/// The bytes of an update.
///
/// # Errors
/// When it has no coordinates or too many, or a value is outside of the range.
pub fn encode(quantiser: &Quantiser, values: &[i32]) -> Result<Vec<u8>, DecodeError> {
    let limit = u32::MAX as usize;
    let count = u32::try_from(values.len()).ok().filter(|count| *count > 0);
    let count = count.ok_or(DecodeError::Coordinates {
        found: values.len(),
        limit,
    })?;
    let width = width(quantiser.bits());
    let mut bytes = Vec::with_capacity(HEAD + width * values.len());
    bytes.extend([VERSION, quantiser.bits(), quantiser.exponent() as u8]);
    bytes.extend(count.to_le_bytes());
    for (coordinate, value) in values.iter().enumerate() {
        in_range(coordinate, *value, quantiser.largest())?;
        bytes.extend_from_slice(&value.to_le_bytes()[..width]);
    }
    Ok(bytes)
}

/// An update in its bytes, checked, read where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    quantiser: Quantiser,
    values: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// Checks the bytes of an update of at most `limit` coordinates. Nothing is allocated.
    ///
    /// # Errors
    /// When they are not the one encoding of an update.
    pub fn decode(bytes: &'a [u8], limit: usize) -> Result<Encoded<'a>, DecodeError> {
        let Some(([version, bits, exponent, count @ ..], values)) =
            bytes.split_first_chunk::<HEAD>()
        else {
            return Err(DecodeError::Short(bytes.len()));
        };
        if *version != VERSION {
            return Err(DecodeError::Version(*version));
        }
        let quantiser = Quantiser::new(*bits, *exponent as i8)?;
        let found = u32::from_le_bytes(*count) as usize;
        if found == 0 || found > limit {
            return Err(DecodeError::Coordinates { found, limit });
        }
        let wanted = found.saturating_mul(width(*bits));
        if values.len() != wanted {
            let found = values.len();
            return Err(DecodeError::Length { found, wanted });
        }
        let update = Encoded {
            quantiser,
            values,
            bytes,
        };
        let largest = quantiser.largest();
        for (coordinate, value) in update.values_from(0).enumerate() {
            in_range(coordinate, value, largest)?;
        }
        Ok(update)
    }

    /// The scale of its values.
    pub fn quantiser(&self) -> Quantiser {
        self.quantiser
    }

    /// How many coordinates.
    pub fn coordinates(&self) -> usize {
        self.values.len() / width(self.quantiser.bits())
    }

    /// Writes the values from `first` on, as many as `out` holds; what lies beyond the last stays as it was.
    pub fn read(&self, first: usize, out: &mut [i32]) {
        for (out, value) in out.iter_mut().zip(self.values_from(first)) {
            *out = value;
        }
    }

    /// All values.
    pub fn to_vec(&self) -> Vec<i32> {
        self.values_from(0).collect()
    }

    /// The digest that names the update.
    pub fn digest(&self) -> Digest {
        Digest::of_bytes("assay/update/v1", self.bytes)
    }

    fn values_from(&self, first: usize) -> impl Iterator<Item = i32> + 'a {
        let width = width(self.quantiser.bits());
        let values = first
            .checked_mul(width)
            .and_then(|at| self.values.get(at..));
        let values = values.unwrap_or_default();
        values.chunks_exact(width).map(|bytes| match *bytes {
            [a] => i32::from(a as i8),
            [a, b] => i32::from(i16::from_le_bytes([a, b])),
            [a, b, c] => i32::from_le_bytes([0, a, b, c]) >> 8,
            _ => 0,
        })
    }
}

/// Updates of one round in their bytes: none is copied as a whole.
#[derive(Clone, Debug)]
pub struct EncodedUpdates<'a> {
    updates: Vec<Encoded<'a>>,
    weights: Vec<u64>,
    shape: Shape,
}

impl<'a> EncodedUpdates<'a> {
    /// Updates of one scale and length with their weights (1 each, where `weights` is empty).
    ///
    /// # Errors
    /// When their scales, lengths or numbers disagree.
    pub fn new(
        updates: Vec<Encoded<'a>>,
        weights: Vec<u64>,
    ) -> Result<EncodedUpdates<'a>, AggregateError> {
        let first = updates.first().ok_or(BadShape::Updates(0))?;
        let (scale, coordinates) = (first.quantiser, first.coordinates());
        let other =
            |update: &Encoded<'_>| update.quantiser != scale || update.coordinates() != coordinates;
        if let Some(update) = updates.iter().position(other) {
            return Err(AggregateError::Unlike { update });
        }
        let shape = Shape::new(updates.len(), coordinates, scale.bits())?;
        crate::updates::check_weights(&weights, updates.len())?;
        Ok(EncodedUpdates {
            updates,
            weights,
            shape,
        })
    }
}

impl Updates for EncodedUpdates<'_> {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn weight(&self, update: usize) -> u64 {
        self.weights.get(update).copied().unwrap_or(1)
    }

    fn read(&self, update: usize, first: usize, out: &mut [i32]) -> Result<(), AggregateError> {
        let found = self.updates.get(update);
        let found = found.ok_or(AggregateError::unreadable(
            update,
            "there is no such update",
        ))?;
        found.read(first, out);
        Ok(())
    }
}

/// Bytes of a value.
fn width(bits: u8) -> usize {
    usize::from(bits.div_ceil(8))
}

fn in_range(coordinate: usize, value: i32, largest: i32) -> Result<(), DecodeError> {
    if (-largest..=largest).contains(&value) {
        return Ok(());
    }
    Err(DecodeError::Value {
        coordinate,
        value,
        largest,
    })
}
