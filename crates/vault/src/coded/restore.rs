//! From pieces back to bytes.

use assay_crypto::merkle::Frontier;
use thiserror::Error;

use super::write::pieces;
use super::{BlobHead, CodedPiece, piece_digest};

/// Why bytes are not restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// There can be no such blob.
    #[error("no blob has such a head")]
    Impossible,
    /// Slices come in order.
    #[error("slice {wanted} is restored next, and this is a piece of slice {found}")]
    Order {
        /// The next slice.
        wanted: u32,
        /// That of the piece.
        found: u32,
    },
    /// A piece is none of the blob.
    #[error("holder {0} gave a piece that is none of the blob")]
    Piece(u16),
    /// There are too few of them.
    #[error("{found} pieces of a slice are there, and {needed} are needed")]
    TooFew {
        /// Pieces of different holders.
        found: usize,
        /// How many are needed.
        needed: u16,
    },
    /// Slices are missing.
    #[error("{found} of {wanted} slices were restored")]
    Unfinished {
        /// Those that were.
        found: u32,
        /// All of them.
        wanted: u32,
    },
    /// The pieces are a code of nothing: whoever published them lied, and everybody finds it.
    #[error("the pieces encode nothing: they are not those of the bytes that they give")]
    NoCode,
}

/// Restores a blob slice by slice, in the memory of one.
#[derive(Clone, Debug)]
pub struct Restorer {
    head: BlobHead,
    next: u32,
    /// The tree over the pieces that the restored slices encode to.
    again: Frontier,
}

impl Restorer {
    /// Begins with the first slice.
    ///
    /// # Errors
    /// [`RestoreError::Impossible`] when there can be no such blob.
    pub fn new(head: BlobHead) -> Result<Self, RestoreError> {
        match head.is_possible() {
            true => Ok(Self {
                head,
                next: 0,
                again: Frontier::new(),
            }),
            false => Err(RestoreError::Impossible),
        }
    }

    /// The slice that is restored next; none when all are.
    pub fn next(&self) -> Option<u32> {
        (self.next < self.head.slices()).then_some(self.next)
    }

    /// Restores the next slice from any `needed` of its pieces; more are not looked at. What one gives
    /// counts only once [`Restorer::finish`] agrees.
    ///
    /// # Errors
    /// [`RestoreError`], and nothing has changed: a piece of the blob can be put in the place of one that is
    /// none.
    pub fn slice(&mut self, given: &[CodedPiece]) -> Result<Vec<u8>, RestoreError> {
        let code = self.head.code;
        let mut at = vec![None; usize::from(code.total)];
        let mut found = 0;
        for piece in given {
            if found == usize::from(code.needed) {
                break;
            }
            if piece.slice != self.next {
                let (wanted, found) = (self.next, piece.slice);
                return Err(RestoreError::Order { wanted, found });
            }
            if !piece.verify(&self.head) {
                return Err(RestoreError::Piece(piece.holder));
            }
            let place = &mut at[usize::from(piece.holder)];
            found += usize::from(place.is_none());
            *place = Some(&piece.bytes[..]);
        }
        if found < usize::from(code.needed) {
            let needed = code.needed;
            return Err(RestoreError::TooFew { found, needed });
        }
        let bytes = self.decode(&at).ok_or(RestoreError::Impossible)?;
        // What these bytes encode to: not what was given, which may be the code of nothing.
        let again = pieces(code, &bytes).ok_or(RestoreError::Impossible)?;
        for piece in &again {
            self.again.push(&piece_digest(piece));
        }
        self.next += 1;
        Ok(bytes)
    }

    /// The bytes of the next slice, from as many pieces as are needed.
    fn decode<'a>(&self, at: &[Option<&'a [u8]>]) -> Option<Vec<u8>> {
        let (needed, total) = (usize::from(self.head.code.needed), at.len());
        let (own, others) = at.split_at(needed);
        let there = |pieces: &[Option<&'a [u8]>]| -> Vec<(usize, &'a [u8])> {
            let numbered = pieces.iter().enumerate();
            numbered
                .filter_map(|(i, piece)| Some((i, (*piece)?)))
                .collect()
        };
        let (given, others) = (there(own), there(others));
        let restored = match given.len() == needed {
            true => Default::default(),
            false => reed_solomon_simd::decode(needed, total - needed, given, others).ok()?,
        };
        let mut bytes = Vec::with_capacity(self.head.slice_bytes(self.next) + needed);
        for (i, own) in own.iter().enumerate() {
            match own {
                Some(piece) => bytes.extend_from_slice(piece),
                None => bytes.extend_from_slice(restored.get(&i)?),
            }
        }
        bytes.truncate(self.head.slice_bytes(self.next));
        Some(bytes)
    }

    /// Whether the slices that were restored are those of the blob.
    ///
    /// # Errors
    /// [`RestoreError::NoCode`] when the blob is none, for everybody alike; [`RestoreError::Unfinished`]
    /// before the last slice.
    pub fn finish(self) -> Result<(), RestoreError> {
        let (found, wanted) = (self.next, self.head.slices());
        if found != wanted {
            return Err(RestoreError::Unfinished { found, wanted });
        }
        match self.again.root() == self.head.root {
            true => Ok(()),
            false => Err(RestoreError::NoCode),
        }
    }
}
