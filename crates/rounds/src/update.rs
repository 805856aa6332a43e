//! The bytes of an update, one encoding each. All numbers little-endian:
//!
//! | Bytes | What |
//! | --- | --- |
//! | 7 | `ASSAYUP` |
//! | 1 | version, 1 |
//! | 1 | how it is sent: 0 every coordinate, 1 the largest, 2 signs |
//! | 8 | the round whose model it was made on, counted from 0 |
//! | 8 | the trainer's number |
//! | 32 | digest of that model |
//! | | 0: the coordinates, as `assay_aggregate::encode` has them |
//! | | 1: coordinates of the model (4), of those sent (4), their places ascending (4 each), their values as `encode` has them |
//! | | 2: coordinates of the model (4), the one magnitude as `encode` has it, a bit for each coordinate, lowest first: 1 is negative; spare bits are 0 |

use assay_aggregate::{Encoded, Quantiser};
use assay_crypto::Digest;

use crate::error::UpdateFault;
use crate::{Encoding, RoundSpec};

const MAGIC: &[u8; 7] = b"ASSAYUP";
const VERSION: u8 = 1;

/// Bytes before the coordinates.
const HEAD: usize = 57;

/// Bytes of one value as `assay_aggregate::encode` has it, before the value.
const VALUE_HEAD: usize = 7;

/// Bytes of a dense update of so many coordinates.
pub fn dense_bytes(spec: &RoundSpec, coordinates: u64) -> u64 {
    let width = u64::from(spec.quantiser.bits().div_ceil(8));
    let heads = (HEAD + VALUE_HEAD) as u64;
    coordinates.saturating_mul(width).saturating_add(heads)
}

/// What an update belongs to. It is part of the bytes, so no update counts for another trainer, another
/// round or another model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The round whose model it was made on, counted from 0.
    pub round: u64,
    /// The trainer's number.
    pub trainer: u64,
    /// The digest of that model's state.
    pub base: Digest,
}

/// A trainer's update in its bytes, checked, read where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    head: Head,
    coordinates: usize,
    body: Body<'a>,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Body<'a> {
    Dense(Encoded<'a>),
    Largest {
        places: &'a [[u8; 4]],
        values: Encoded<'a>,
    },
    Signs {
        magnitude: i32,
        negative: &'a [u8],
    },
}

/// How many coordinates are sent of a model's.
pub(crate) fn kept(coordinates: usize, per_thousand: u16) -> usize {
    let kept = coordinates as u128 * u128::from(per_thousand) / 1000;
    // At most as many as there are.
    (kept as usize).max(1)
}

/// The bytes before the coordinates.
pub(crate) fn head_bytes(head: &Head, encoding: Encoding) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD);
    bytes.extend(MAGIC);
    bytes.extend([VERSION, byte(encoding)]);
    bytes.extend(head.round.to_le_bytes());
    bytes.extend(head.trainer.to_le_bytes());
    bytes.extend(head.base.0);
    bytes
}

fn byte(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Dense => 0,
        Encoding::Largest { .. } => 1,
        Encoding::Signs => 2,
    }
}

impl<'a> Update<'a> {
    /// Checks the bytes of an update of a model with so many coordinates. Nothing is allocated.
    ///
    /// # Errors
    /// When they are not the one encoding of an update as `spec` has it.
    pub fn decode(
        bytes: &'a [u8],
        spec: &RoundSpec,
        coordinates: usize,
    ) -> Result<Update<'a>, UpdateFault> {
        let found = bytes.len();
        let (fields, rest) = bytes.split_first_chunk::<HEAD>().ok_or({
            UpdateFault::Length {
                found,
                wanted: HEAD,
            }
        })?;
        if !fields.starts_with(MAGIC) {
            return Err(UpdateFault::NotAnUpdate);
        }
        if fields[7] != VERSION {
            return Err(UpdateFault::Version(fields[7]));
        }
        if fields[8] != byte(spec.encoding) {
            return Err(UpdateFault::Encoding);
        }
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&fields[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let mut base = [0; 32];
        base.copy_from_slice(&fields[25..]);
        let head = Head {
            round: word(9),
            trainer: word(17),
            base: Digest(base),
        };
        let body = match spec.encoding {
            Encoding::Dense => {
                let values = values(rest, &spec.quantiser, coordinates)?;
                told(values.coordinates(), coordinates)?;
                Body::Dense(values)
            }
            Encoding::Largest { per_thousand } => {
                let kept = kept(coordinates, per_thousand);
                largest(rest, &spec.quantiser, coordinates, kept)?
            }
            Encoding::Signs => signs(rest, &spec.quantiser, coordinates)?,
        };
        Ok(Update {
            head,
            coordinates,
            body,
            bytes,
        })
    }

    /// What it belongs to.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The digest that names it.
    pub fn digest(&self) -> Digest {
        Update::name(self.bytes)
    }

    /// The digest that names the update of these bytes.
    pub fn name(bytes: &[u8]) -> Digest {
        Digest::of_bytes("assay/rounds/update/v1", bytes)
    }

    /// All coordinates, in steps of the quantiser.
    pub fn to_vec(&self) -> Vec<i32> {
        let mut all = vec![0; self.coordinates];
        self.read(0, &mut all);
        all
    }

    /// Writes the coordinates from `first` on, as many as `out` holds; zeros beyond the last.
    pub fn read(&self, first: usize, out: &mut [i32]) {
        match self.body {
            Body::Dense(values) => {
                out.fill(0);
                values.read(first, out);
            }
            Body::Largest { places, values } => {
                out.fill(0);
                let place = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes) as usize;
                let from = places.partition_point(|bytes| place(bytes) < first);
                for (at, bytes) in places.iter().enumerate().skip(from) {
                    let Some(out) = out.get_mut(place(bytes) - first) else {
                        break;
                    };
                    values.read(at, std::slice::from_mut(out));
                }
            }
            Body::Signs {
                magnitude,
                negative,
            } => {
                for (at, out) in (first..).zip(out) {
                    let byte = negative.get(at / 8).copied().unwrap_or(0);
                    *out = match (at < self.coordinates, byte >> (at % 8) & 1) {
                        (false, _) => 0,
                        (_, 0) => magnitude,
                        _ => -magnitude,
                    };
                }
            }
        }
    }
}

/// Values of the scale that was agreed on.
fn values<'a>(
    bytes: &'a [u8],
    quantiser: &Quantiser,
    limit: usize,
) -> Result<Encoded<'a>, UpdateFault> {
    let values = Encoded::decode(bytes, limit)?;
    let scale = values.quantiser();
    match scale == *quantiser {
        true => Ok(values),
        false => Err(UpdateFault::Scale {
            bits: scale.bits(),
            exponent: scale.exponent(),
        }),
    }
}

fn told(found: usize, wanted: usize) -> Result<(), UpdateFault> {
    match found == wanted {
        true => Ok(()),
        false => Err(UpdateFault::Coordinates { found, wanted }),
    }
}

fn number(bytes: &[u8]) -> Result<(usize, &[u8]), UpdateFault> {
    let (word, rest) = bytes.split_first_chunk::<4>().ok_or(UpdateFault::Length {
        found: HEAD + bytes.len(),
        wanted: HEAD + 4,
    })?;
    Ok((u32::from_le_bytes(*word) as usize, rest))
}

fn largest<'a>(
    bytes: &'a [u8],
    quantiser: &Quantiser,
    coordinates: usize,
    kept: usize,
) -> Result<Body<'a>, UpdateFault> {
    let (found, rest) = number(bytes)?;
    told(found, coordinates)?;
    let (found, rest) = number(rest)?;
    if found != kept {
        return Err(UpdateFault::Kept {
            found,
            wanted: kept,
        });
    }
    let length = UpdateFault::Length {
        found: HEAD + bytes.len(),
        wanted: HEAD + 8 + 4 * kept,
    };
    let (places, rest) = rest.split_at_checked(4 * kept).ok_or(length)?;
    let (places, _) = places.as_chunks::<4>();
    let mut least = 0;
    for (at, place) in places.iter().enumerate() {
        let place = u32::from_le_bytes(*place) as usize;
        if place < least || place >= coordinates {
            return Err(UpdateFault::Order(at));
        }
        least = place + 1;
    }
    let values = values(rest, quantiser, kept)?;
    told(values.coordinates(), kept)?;
    Ok(Body::Largest { places, values })
}

fn signs<'a>(
    bytes: &'a [u8],
    quantiser: &Quantiser,
    coordinates: usize,
) -> Result<Body<'a>, UpdateFault> {
    let (found, rest) = number(bytes)?;
    told(found, coordinates)?;
    let width = usize::from(quantiser.bits().div_ceil(8));
    let wanted = VALUE_HEAD + width + coordinates.div_ceil(8);
    if rest.len() != wanted {
        return Err(UpdateFault::Length {
            found: HEAD + bytes.len(),
            wanted: HEAD + 4 + wanted,
        });
    }
    let (magnitude, negative) = rest.split_at(VALUE_HEAD + width);
    let magnitude = values(magnitude, quantiser, 1)?.to_vec();
    let spare = match (negative.last(), coordinates % 8) {
        (Some(last), used @ 1..) => last >> used,
        _ => 0,
    };
    match magnitude[..] {
        // Of nothing there are no signs.
        [0] if negative.iter().any(|byte| *byte != 0) => Err(UpdateFault::Signs),
        [magnitude] if magnitude >= 0 && spare == 0 => Ok(Body::Signs {
            magnitude,
            negative,
        }),
        _ => Err(UpdateFault::Signs),
    }
}
