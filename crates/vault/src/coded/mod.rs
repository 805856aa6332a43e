//! Public bytes that are still there when some of their holders are not.
//!
//! Whoever has something to publish cuts it into slices and each slice into `total` pieces, one for each
//! holder, of which any `needed` restore it (Reed and Solomon, "Polynomial codes over certain finite
//! fields", 1960, by the crate `reed-solomon-simd`). The pieces of all slices are the leaves of one Merkle
//! tree, slice by slice, so each can be shown alone; a [`BlobHead`] names the whole.
//!
//! A head does not say that its pieces are a code of anything. Whoever restores the bytes codes them again
//! and compares the root: [`Restorer::finish`]. If it differs, it differs whichever pieces were taken, since
//! pieces that some bytes encode to are restored from any of them. So everybody who restores the blob, or
//! fails to, finds the same.
//!
//! With `total = needed + 2 f` holders of which `f` lie, a certificate of `needed + f` signatures of holders
//! that have their piece means that `needed` honest ones have it.

mod restore;
mod write;

use assay_crypto::Digest;
use assay_crypto::content::SLICE_BYTES;
use assay_crypto::merkle::Path;
use borsh::{BorshDeserialize, BorshSerialize};

pub use restore::{RestoreError, Restorer};
pub use write::{Coded, encode};

/// The most holders of one blob.
pub const MAX_HOLDERS: u16 = 1024;
/// The longest blob, in bytes.
pub const MAX_BLOB_BYTES: u64 = 4 << 30;

/// How many pieces restore a slice, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Code {
    /// Pieces that restore a slice, whichever they are.
    pub needed: u16,
    /// Pieces of a slice: one for each holder.
    pub total: u16,
}

impl Code {
    /// The code for so many holders of which so many may lie or be silent: fewer than half of them.
    /// Nothing where more may.
    pub fn among(holders: u16, liars: u16) -> Option<Self> {
        let needed = holders.checked_sub(liars.checked_mul(2)?)?;
        let code = Self {
            needed,
            total: holders,
        };
        code.is_possible().then_some(code)
    }

    /// Whether there is such a code.
    pub fn is_possible(self) -> bool {
        (1..=self.total).contains(&self.needed) && self.total <= MAX_HOLDERS
    }

    /// Bytes of each piece of a slice of so many bytes: an even number, as the code wants it.
    fn piece_bytes(self, slice: usize) -> usize {
        slice.div_ceil(usize::from(self.needed)).next_multiple_of(2)
    }
}

/// What a blob's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BlobHead {
    /// Its code.
    pub code: Code,
    /// Its length in bytes: at least one.
    pub length: u64,
    /// The Merkle root over the pieces of all slices, slice by slice, each in the order of its holders.
    pub root: Digest,
}

impl BlobHead {
    /// What the blob is called: `H("assay/coded/v1", needed, total, length, root)`.
    pub fn name(&self) -> Digest {
        Digest::of(
            "assay/coded/v1",
            &[
                &self.code.needed.to_le_bytes(),
                &self.code.total.to_le_bytes(),
                &self.length.to_le_bytes(),
                &self.root.0,
            ],
        )
    }

    /// Whether there can be such a blob.
    pub fn is_possible(&self) -> bool {
        self.code.is_possible() && (1..=MAX_BLOB_BYTES).contains(&self.length)
    }

    /// How many slices it has.
    pub fn slices(&self) -> u32 {
        // At most 1,024 of a possible one.
        self.length.div_ceil(SLICE_BYTES as u64) as u32
    }

    /// Bytes of a slice.
    pub fn slice_bytes(&self, slice: u32) -> usize {
        let before = u64::from(slice) * SLICE_BYTES as u64;
        self.length.saturating_sub(before).min(SLICE_BYTES as u64) as usize
    }

    /// Leaves of its tree.
    fn leaves(&self) -> u64 {
        u64::from(self.slices()) * u64::from(self.code.total)
    }

    /// Which leaf a piece is.
    fn leaf(&self, slice: u32, holder: u16) -> u64 {
        u64::from(slice) * u64::from(self.code.total) + u64::from(holder)
    }
}

/// A piece of a slice, with what leads from it to the root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CodedPiece {
    /// Which slice it is of.
    pub slice: u32,
    /// Which of its pieces it is, which says who holds it.
    pub holder: u16,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its path under the root.
    pub path: Path,
}

impl CodedPiece {
    /// Whether it is this piece of the blob, and of the length that it must have.
    pub fn verify(&self, head: &BlobHead) -> bool {
        let is_there = self.slice < head.slices() && self.holder < head.code.total;
        head.is_possible()
            && is_there
            && self.bytes.len() == head.code.piece_bytes(head.slice_bytes(self.slice))
            && self.path.verify(
                &head.root,
                head.leaf(self.slice, self.holder),
                head.leaves(),
                &piece_digest(&self.bytes),
            )
    }
}

/// The leaf of a piece.
fn piece_digest(bytes: &[u8]) -> Digest {
    Digest::of("assay/coded/piece/v1", &[bytes])
}

#[cfg(test)]
mod tests;
