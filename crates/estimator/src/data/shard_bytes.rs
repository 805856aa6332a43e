//! The byte format of a shard, version 1. All numbers little-endian:
//!
//! ```text
//! 0   8  "ASSAYSH" and a zero byte
//! 8   4  format version, 1
//! 12  4  how many classes there are; 0 where labels are numbers
//! 16  8  features of a row
//! 24  8  rows
//! 32     the rows: features as f32 bits, then the label, a class as u32 or a number as f32 bits
//! ```
//!
//! The length follows from the header and is checked before anything is allocated. Every number must be
//! finite and every class below their count, so there is one encoding of a shard.

use super::samples::{Labels, MAX_ROWS, MAX_VALUES, MAX_WIDTH, Samples};
use super::shard::{Shard, row_bytes};
use crate::error::DataFault;

const MAGIC: &[u8; 8] = b"ASSAYSH\0";
const VERSION: u32 = 1;
const HEADER: usize = 32;

impl Shard {
    /// The shard as bytes; see the format in `shard_bytes.rs`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (samples, head) = (self.samples(), self.head());
        let mut out = Vec::with_capacity(HEADER + 4 * samples.rows() * (samples.width() + 1));
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&head.classes.to_le_bytes());
        out.extend_from_slice(&head.width.to_le_bytes());
        out.extend_from_slice(&head.rows.to_le_bytes());
        (0..samples.rows()).for_each(|row| out.extend(row_bytes(samples, row)));
        out
    }

    /// How many features a row has by what the bytes of a shard begin with; none, if they begin as no
    /// shard does. To be asked before the rest is read, which takes memory by the row.
    pub fn announced_width(bytes: &[u8]) -> Option<u64> {
        let header = bytes.first_chunk::<HEADER>()?;
        let (words, _) = header.as_chunks::<8>();
        header
            .starts_with(MAGIC)
            .then(|| u64::from_le_bytes(words[2]))
    }

    /// Reads [`Shard::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are no shard, of another version or length, or hold what no shard holds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DataFault> {
        let malformed = |text| DataFault::Shard(text);
        let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(malformed("it is shorter than a shard's header"));
        };
        if !header.starts_with(MAGIC) {
            return Err(malformed("it does not begin as a shard does"));
        }
        let (words, _) = header[8..].as_chunks::<4>();
        let word = |i: usize| u32::from_le_bytes(words[i]);
        let long = |i: usize| u64::from(word(i)) | u64::from(word(i + 1)) << 32;
        if word(0) != VERSION {
            return Err(malformed("it is of another version"));
        }
        let (classes, width, rows) = (word(1), long(2), long(4));
        if width == 0 || width > MAX_WIDTH as u64 || rows > MAX_ROWS as u64 {
            return Err(malformed(
                "it announces more rows or features than are read",
            ));
        }
        let (width, rows) = (width as usize, rows as usize);
        if rows * width > MAX_VALUES || body.len() != 4 * rows * (width + 1) {
            return Err(malformed("its length is not that of the rows it announces"));
        }
        let mut features = Vec::with_capacity(rows * width);
        let mut labels = Vec::with_capacity(rows);
        for row in body.as_chunks::<4>().0.chunks_exact(width + 1) {
            features.extend(row[..width].iter().map(|word| f32::from_le_bytes(*word)));
            labels.push(row[width]);
        }
        let labels = labels.into_iter();
        let labels = match classes {
            0 => Labels::Values(labels.map(f32::from_le_bytes).collect()),
            count => Labels::classes(labels.map(u32::from_le_bytes).collect(), count)?,
        };
        Ok(Self::new(Samples::new(features, width, labels)?))
    }
}
