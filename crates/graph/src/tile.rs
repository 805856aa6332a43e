//! Digests of tensors, tile by tile.
//!
//! A tensor's values are written row-major, little-endian, and cut into tiles of
//! [`TILE_BYTES`]; the last one is shorter. A tile is as long as sixteen chunks of BLAKE3, which a
//! processor with 512-bit vectors hashes side by side, and starts where a chunk starts. It is small
//! enough for three of them, with their paths, in one transaction, and the parts of an operator
//! that need more than that can be told apart value by value: whatever an operator adds or
//! multiplies, each number of it lies in one tile.

use assay_crypto::{Digest, merkle};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::tensor::Tensor;

/// Bytes of a tile.
pub const TILE_BYTES: usize = 16_384;

/// 4-byte values in a tile: the unit that can be opened alone.
pub const TILE: usize = TILE_BYTES / 4;

/// The longest name of a tensor, in bytes.
pub const MAX_NAME: usize = 256;

/// How the values of a tensor are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Element {
    /// Binary32 of IEEE 754, 4 bytes.
    Float32,
}

impl Element {
    /// Bytes of a value.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Float32 => 4,
        }
    }
}

/// Rows and columns; vectors have one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Shape {
    /// Rows.
    pub rows: u64,
    /// Columns.
    pub cols: u64,
}

impl Shape {
    /// That of a tensor.
    pub fn of(tensor: &Tensor) -> Self {
        Self {
            rows: tensor.rows as u64,
            cols: tensor.cols as u64,
        }
    }

    /// Values in it; none, when they are more than 64 bits count.
    pub fn values(self) -> Option<u64> {
        self.rows.checked_mul(self.cols)
    }
}

/// The digest of one tile's bytes.
pub(crate) fn bytes_digest(bytes: &[u8]) -> Digest {
    Digest::of_bytes("assay/tile/v2", bytes)
}

/// The digest of one tile: its values' bits, little-endian.
///
/// # Panics
/// If it is given more than [`TILE`] values.
pub fn tile_digest(values: &[f32]) -> Digest {
    let mut bytes = [0; TILE_BYTES];
    let used = &mut bytes[..values.len() * 4];
    for (word, value) in used.as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *word = value.to_le_bytes();
    }
    bytes_digest(used)
}

/// The digest of every tile of a tensor.
pub fn tile_digests(values: &[f32]) -> Vec<Digest> {
    values.chunks(TILE).map(tile_digest).collect()
}

/// The Merkle root over the tiles of a tensor.
pub fn values_root(values: &[f32]) -> Digest {
    merkle::root(tile_digests(values))
}

/// The digest of a tensor: its name, its element type, its shape, and the Merkle root over its
/// tiles.
pub fn tensor_digest(name: &str, rows: usize, cols: usize, values: &[f32]) -> Digest {
    let shape = Shape {
        rows: rows as u64,
        cols: cols as u64,
    };
    named_digest(name, Element::Float32, shape, &values_root(values))
}

/// [`tensor_digest`] of a tensor whose tiles are known by their root.
pub(crate) fn named_digest(name: &str, element: Element, shape: Shape, root: &Digest) -> Digest {
    let (rows, cols) = (shape.rows.to_le_bytes(), shape.cols.to_le_bytes());
    let parts: [&[u8]; 5] = [
        name.as_bytes(),
        &[element as u8],
        &rows,
        &cols,
        root.as_bytes(),
    ];
    Digest::of("assay/tensor/v2", &parts)
}
