//! From bytes to pieces.

use assay_crypto::Digest;
use assay_crypto::content::SLICE_BYTES;
use assay_crypto::merkle::Tree;

use super::{BlobHead, Code, CodedPiece, piece_digest};

/// A blob that was coded: its head, and what shows each of its pieces.
#[derive(Clone, Debug)]
pub struct Coded {
    head: BlobHead,
    tree: Tree,
}

/// Codes bytes; `piece` gets each piece with its slice and holder. Of the pieces nothing is kept but
/// their digests, so the memory that is taken beside the bytes is that of one slice.
///
/// Nothing for a code that cannot be, no bytes, or too many.
pub fn encode(code: Code, bytes: &[u8], mut piece: impl FnMut(u32, u16, &[u8])) -> Option<Coded> {
    let mut head = BlobHead {
        code,
        length: bytes.len() as u64,
        root: Digest::ZERO,
    };
    if !head.is_possible() {
        return None;
    }
    let mut leaves = Vec::with_capacity(head.leaves() as usize);
    for (number, slice) in (0..).zip(bytes.chunks(SLICE_BYTES)) {
        for (holder, bytes) in (0..).zip(pieces(code, slice)?) {
            leaves.push(piece_digest(&bytes));
            piece(number, holder, &bytes);
        }
    }
    let tree = Tree::new(leaves);
    head.root = tree.root();
    Some(Coded { head, tree })
}

impl Coded {
    /// What names the blob.
    pub fn head(&self) -> BlobHead {
        self.head
    }

    /// Puts the path to a piece that [`encode`] gave; nothing for a piece that it has not.
    pub fn show(&self, slice: u32, holder: u16, bytes: Vec<u8>) -> Option<CodedPiece> {
        if holder >= self.head.code.total {
            return None;
        }
        Some(CodedPiece {
            path: self.tree.path(self.head.leaf(slice, holder))?,
            slice,
            holder,
            bytes,
        })
    }
}

/// The pieces of a slice: first `needed` of its own bytes, with zeros behind the last, then those that
/// stand in for others.
pub(super) fn pieces(code: Code, slice: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (needed, total) = (usize::from(code.needed), usize::from(code.total));
    let length = code.piece_bytes(slice.len());
    let mut own = vec![vec![0; length]; needed];
    for (piece, bytes) in own.iter_mut().zip(slice.chunks(length)) {
        piece[..bytes.len()].copy_from_slice(bytes);
    }
    if total > needed {
        // It refuses counts and lengths alone, and these are possible.
        let others = reed_solomon_simd::encode(needed, total - needed, &own).ok()?;
        own.extend(others);
    }
    Some(own)
}
