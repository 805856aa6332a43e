//! A file that is being read, opened or as it is sealed.

use assay_crypto::Digest;

use crate::piece::Piece;
use crate::unseal::{Content, UnsealError, Unsealer};

/// A file whose slices are known.
pub(super) enum Reading {
    Opened(Unsealer),
    Sealed { slices: Vec<Digest>, taken: usize },
}

impl Reading {
    pub(super) fn slices(&self) -> &[Digest] {
        match self {
            Reading::Opened(unsealer) => unsealer.manifest().slices(),
            Reading::Sealed { slices, .. } => slices,
        }
    }

    /// What is in the next slice, whose digest has been compared already.
    pub(super) fn take(&mut self, index: u32, piece: &Piece) -> Result<Vec<u8>, UnsealError> {
        match self {
            Reading::Opened(unsealer) => unsealer.verified_slice(index, piece),
            Reading::Sealed { taken, .. } => {
                *taken += 1;
                Ok(Vec::new())
            }
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        match self {
            Reading::Opened(unsealer) => unsealer.is_complete(),
            Reading::Sealed { slices, taken } => *taken == slices.len(),
        }
    }

    pub(super) fn finish(self) -> Result<Option<Content>, UnsealError> {
        match self {
            Reading::Opened(unsealer) => unsealer.finish().map(Some),
            Reading::Sealed { .. } => Ok(None),
        }
    }
}
