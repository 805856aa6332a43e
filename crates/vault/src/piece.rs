//! Pieces: the sealed byte strings that storage nodes keep.

use std::fmt;
use std::io::{self, Read, Write};

use assay_crypto::{Digest, content::SLICE_BYTES};
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

/// Bytes the cipher adds to a slice: its Poly1305 tag.
pub const TAG_BYTES: usize = 16;
/// The longest piece a storage node accepts.
pub const MAX_PIECE_BYTES: usize = SLICE_BYTES + TAG_BYTES;
/// The most slices in one file: 256 GiB of plaintext, and a manifest of 2 MiB.
pub const MAX_SLICES: u32 = 65_536;

/// One sealed slice or manifest, at most [`MAX_PIECE_BYTES`] long; clones share the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece(Bytes);

/// The bytes are longer than any piece may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a piece of {bytes} bytes is over the limit of {MAX_PIECE_BYTES}; cut the file into slices"
)]
pub struct PieceTooLong {
    /// How long it was.
    pub bytes: usize,
}

impl Piece {
    /// Takes sealed bytes.
    ///
    /// # Errors
    /// [`PieceTooLong`] above [`MAX_PIECE_BYTES`].
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, PieceTooLong> {
        let bytes = bytes.into();
        if bytes.len() > MAX_PIECE_BYTES {
            return Err(PieceTooLong { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The name under which every storage node keeps this piece.
    pub fn digest(&self) -> Digest {
        assay_ledger::sealed_digest(&self.0)
    }

    /// The sealed bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The sealed bytes, shared with this piece.
    pub fn shared(&self) -> Bytes {
        self.0.clone()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all; no honest piece is empty, since each carries a tag.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piece({} bytes)", self.0.len())
    }
}

impl BorshSerialize for Piece {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        self.bytes().serialize(writer)
    }
}

impl BorshDeserialize for Piece {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let length = u32::deserialize_reader(reader)? as usize;
        if length > MAX_PIECE_BYTES {
            return Err(invalid(PieceTooLong { bytes: length }));
        }
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes)?;
        Ok(Self(Bytes::from(bytes)))
    }
}

/// A list of digests that refuses, while decoding, to be longer than `MAX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests<const MAX: usize>(Vec<Digest>);

/// The list is longer than its type allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a list of {count} digests is over the limit of {limit}")]
pub struct TooManyDigests {
    /// How many there were.
    pub count: usize,
    /// How many there may be.
    pub limit: usize,
}

impl<const MAX: usize> Digests<MAX> {
    /// Takes at most `MAX` digests.
    ///
    /// # Errors
    /// [`TooManyDigests`] above that.
    pub fn new(digests: Vec<Digest>) -> Result<Self, TooManyDigests> {
        if digests.len() > MAX {
            return Err(TooManyDigests {
                count: digests.len(),
                limit: MAX,
            });
        }
        Ok(Self(digests))
    }

    /// The digests in order.
    pub fn as_slice(&self) -> &[Digest] {
        &self.0
    }

    /// The digests in order, owned.
    pub fn into_vec(self) -> Vec<Digest> {
        self.0
    }
}

impl<const MAX: usize> BorshSerialize for Digests<MAX> {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        self.0.serialize(writer)
    }
}

impl<const MAX: usize> BorshDeserialize for Digests<MAX> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let count = u32::deserialize_reader(reader)? as usize;
        if count > MAX {
            return Err(invalid(TooManyDigests { count, limit: MAX }));
        }
        (0..count)
            .map(|_| Digest::deserialize_reader(reader))
            .collect::<io::Result<Vec<_>>>()
            .map(Self)
    }
}

/// Wraps a refusal of our own so that borsh carries it.
pub(crate) fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
