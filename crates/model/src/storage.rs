//! How the frozen matrices of a base are held in memory.
//!
//! A base is computed in f32. To take less memory its projections may be *held* in a shorter form,
//! which is made when the model is loaded and widened again, by the rules below, whenever a product
//! reads it. Both ways are exact or a fixed chain of IEEE operations, so every machine widens to
//! the same f32 values, and those are what [`Base::digest`](crate::Base::digest) covers. Embedding,
//! output, norms and biases stay in f32.
//!
//! | precision | held | widened |
//! | --- | --- | --- |
//! | `float32` | the value | itself |
//! | `bfloat16` | the upper half of the bits, rounded to nearest, ties to even | exactly |
//! | `int8` | per row: `s = max|w| / 127`, `q = round(w / s)` (ties to even, within ±127) | `q * s` |
//! | `w8a8` | as `int8` | as `int8` |
//! | `nf4` | per block of 64 values of the row-major matrix: `s = max|w|`, `q` the index of the level nearest to `w / s` (the lower one on a tie) | `level[q] * s` |
//!
//! The levels of `nf4` are those of QLoRA (Dettmers et al., 2023, appendix E). A row or block of
//! zeros has `s = 0` and `q = 0` (for `nf4` the level 0).
//!
//! `w8a8` is also computed in integers: products by such a matrix round the rows of their other
//! side to 8 bits and add up exactly
//! ([`Op::QuantizedProduct`](crate::Op::QuantizedProduct)); only what else reads it is given widened
//! values.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Values of a block that share a scale.
pub const NF4_BLOCK: usize = 64;

/// The levels of NF4, ascending.
pub const NF4_LEVELS: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// The index of the level 0.
const NF4_ZERO: u8 = 7;

/// How the projections of a base are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// As they are computed: 4 bytes a value.
    #[default]
    Float32,
    /// 2 bytes a value.
    BFloat16,
    /// 1 byte a value.
    Int8,
    /// Half a byte a value, and 1/16 byte for scales.
    Nf4,
    /// Held as [`Precision::Int8`], and computed in 8-bit integers.
    W8A8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Float32,
        Self::BFloat16,
        Self::Int8,
        Self::Nf4,
        Self::W8A8,
    ];

    /// Whether products by the projections are of 8-bit integers instead of widened values.
    pub fn computes_in_int8(self) -> bool {
        self == Self::W8A8
    }

    /// Its name in job files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::BFloat16 => "bfloat16",
            Self::Int8 => "int8",
            Self::Nf4 => "nf4",
            Self::W8A8 => "w8a8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no [`Precision`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("precision {0:?} is unknown; use float32, bfloat16, int8, nf4 or w8a8")]
pub struct UnknownPrecision(String);

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, UnknownPrecision> {
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| UnknownPrecision(name.chars().take(40).collect()))
    }
}

/// A tensor in the form it is held in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stored {
    Float32(Vec<f32>),
    BFloat16(Vec<u16>),
    Int8 {
        cols: usize,
        scales: Vec<f32>,
        values: Vec<i8>,
    },
    Nf4 {
        count: usize,
        scales: Vec<f32>,
        /// Two values a byte, the earlier one in the low half.
        values: Vec<u8>,
    },
}

impl Stored {
    /// A matrix with rows of `cols` values, in this form.
    pub(crate) fn new(values: Vec<f32>, cols: usize, precision: Precision) -> Self {
        match precision {
            Precision::Float32 => Self::Float32(values),
            Precision::BFloat16 => Self::BFloat16(values.iter().map(|v| narrow(*v)).collect()),
            Precision::Int8 | Precision::W8A8 => {
                let mut scales = Vec::with_capacity(values.len() / cols.max(1));
                let mut held = Vec::with_capacity(values.len());
                for row in values.chunks(cols.max(1)) {
                    let scale = largest(row) / 127.0;
                    scales.push(scale);
                    held.extend(row.iter().map(|v| level_of_int8(*v, scale)));
                }
                Self::Int8 {
                    cols,
                    scales,
                    values: held,
                }
            }
            Precision::Nf4 => {
                let mut scales = Vec::with_capacity(values.len().div_ceil(NF4_BLOCK));
                let mut held = vec![0u8; values.len().div_ceil(2)];
                for (b, block) in values.chunks(NF4_BLOCK).enumerate() {
                    let scale = largest(block);
                    scales.push(scale);
                    for (i, value) in block.iter().enumerate() {
                        let at = b * NF4_BLOCK + i;
                        held[at / 2] |= level_of_nf4(*value, scale) << (4 * (at % 2));
                    }
                }
                Self::Nf4 {
                    count: values.len(),
                    scales,
                    values: held,
                }
            }
        }
    }

    /// The values it stands for, if they are there as they are.
    pub(crate) fn plain(&self) -> Option<&[f32]> {
        match self {
            Self::Float32(values) => Some(values),
            _ => None,
        }
    }

    /// The integers and the scale of each row, if it is held so.
    pub(crate) fn int8(&self) -> Option<(&[i8], &[f32])> {
        match self {
            Self::Int8 { scales, values, .. } => Some((values, scales)),
            _ => None,
        }
    }

    /// The values it stands for.
    pub(crate) fn widened(&self) -> Cow<'_, [f32]> {
        match self {
            Self::Float32(values) => Cow::Borrowed(values),
            _ => {
                let mut values = vec![0.0; self.len()];
                self.widen_into(&mut values);
                Cow::Owned(values)
            }
        }
    }

    /// Writes the values it stands for; `out` has their number.
    pub(crate) fn widen_into(&self, out: &mut [f32]) {
        match self {
            Self::Float32(values) => out.copy_from_slice(values),
            Self::BFloat16(values) => {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = f32::from_bits(u32::from(*value) << 16);
                }
            }
            Self::Int8 {
                cols,
                scales,
                values,
            } => {
                let rows = out.chunks_mut((*cols).max(1));
                for ((out, row), scale) in rows.zip(values.chunks((*cols).max(1))).zip(scales) {
                    for (out, value) in out.iter_mut().zip(row) {
                        *out = f32::from(*value) * scale;
                    }
                }
            }
            Self::Nf4 { scales, values, .. } => {
                let blocks = out.chunks_mut(NF4_BLOCK).zip(values.chunks(NF4_BLOCK / 2));
                for ((out, held), scale) in blocks.zip(scales) {
                    for (pair, byte) in out.chunks_mut(2).zip(held) {
                        let levels = [byte & 15, byte >> 4];
                        for (out, level) in pair.iter_mut().zip(levels) {
                            *out = NF4_LEVELS[usize::from(level)] * scale;
                        }
                    }
                }
            }
        }
    }

    /// How many values it stands for.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Float32(values) => values.len(),
            Self::BFloat16(values) => values.len(),
            Self::Int8 { values, .. } => values.len(),
            Self::Nf4 { count, .. } => *count,
        }
    }

    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Float32(values) => 4 * values.len(),
            Self::BFloat16(values) => 2 * values.len(),
            Self::Int8 { scales, values, .. } => values.len() + 4 * scales.len(),
            Self::Nf4 { scales, values, .. } => values.len() + 4 * scales.len(),
        }
    }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, v| v.abs().max(most))
}

/// The upper half of a finite value's bits, to nearest, ties to even.
fn narrow(value: f32) -> u16 {
    let bits = value.to_bits();
    let odd = (bits >> 16) & 1;
    // A value that rounds up to infinity stays the largest finite one.
    let rounded = (bits + 0x7fff + odd) >> 16;
    let infinite = rounded & 0x7fff == 0x7f80;
    (rounded - u32::from(infinite)) as u16
}

fn level_of_int8(value: f32, scale: f32) -> i8 {
    if scale == 0.0 {
        return 0;
    }
    (value / scale).round_ties_even().clamp(-127.0, 127.0) as i8
}

fn level_of_nf4(value: f32, scale: f32) -> u8 {
    if scale == 0.0 {
        return NF4_ZERO;
    }
    let wanted = value / scale;
    let mut best = 0;
    for (i, level) in NF4_LEVELS.iter().enumerate() {
        if (level - wanted).abs() < (NF4_LEVELS[best] - wanted).abs() {
            best = i;
        }
    }
    best as u8
}

#[cfg(test)]
#[path = "storage_tests.rs"]
mod tests;
