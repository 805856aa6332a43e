//! From pieces back to the plaintext stream, trusting no byte of them.

use std::io::{self, Write};

use assay_crypto::{Digest, aead::FileKey};
use assay_ledger::FileId;

use crate::in_place::Opened;
use crate::manifest::{Manifest, OpenManifestError};
use crate::piece::Piece;
use assay_crypto::content::ContentHasher;

/// What the ledger says about a file, as far as opening it depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The file's id.
    pub id: FileId,
    /// Merkle root over its slices.
    pub root: Digest,
    /// How many slices it has.
    pub slices: u32,
    /// The class of its length.
    pub length_class: u64,
}

/// What came out of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Plaintext length in bytes.
    pub length: u64,
    /// Content digest, recomputed from the bytes delivered.
    pub digest: Digest,
}

/// A file did not open.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// The manifest piece is not the file's.
    #[error("the manifest is not the one the ledger names; fetch it from another node")]
    OtherManifest,
    /// The manifest did not open.
    #[error("the manifest did not open")]
    Manifest(#[from] OpenManifestError),
    /// Manifest and ledger record contradict each other: the owner recorded something else.
    #[error(
        "the manifest does not match the ledger record in its {0}; the owner recorded it wrongly"
    )]
    Contradiction(&'static str),
    /// The slice is not the next one in order.
    #[error("slice {given} was given where slice {expected} is next")]
    OutOfOrder {
        /// The slice that is next.
        expected: u32,
        /// The slice that came.
        given: u32,
    },
    /// The piece is not the slice the manifest lists.
    #[error("slice {index} is not the one the manifest lists; fetch it from another node")]
    OtherSlice {
        /// Which slice.
        index: u32,
    },
    /// The slice was sealed wrongly: right digest, but it does not open.
    #[error("slice {index} does not open; the owner sealed it wrongly")]
    Sealed {
        /// Which slice.
        index: u32,
    },
    /// Slices are missing at the end.
    #[error("the file ends after {given} of {expected} slices")]
    CutShort {
        /// Slices in the file.
        expected: u32,
        /// Slices given.
        given: u32,
    },
    /// The plaintext is not what the manifest says.
    #[error("the content does not have the digest that the manifest names")]
    OtherContent,
    /// The sink failed.
    #[error("the plaintext could not be written")]
    Sink(#[from] io::Error),
}

/// Opens one file slice by slice, in order; holds one slice at a time.
pub struct Unsealer {
    opened: Opened,
    next: u32,
    content: ContentHasher,
}

impl Unsealer {
    /// Opens the manifest and checks it against the ledger's view of the file.
    ///
    /// # Errors
    /// [`UnsealError`] when the piece is another one, the key is wrong, or the owner lied.
    pub fn new(expected: &Expected, manifest: &Piece, key: FileKey) -> Result<Self, UnsealError> {
        Ok(Self {
            opened: Opened::new(expected, manifest, key)?,
            next: 0,
            content: ContentHasher::new(),
        })
    }

    /// The table of contents.
    pub fn manifest(&self) -> &Manifest {
        self.opened.manifest()
    }

    /// Verifies and opens the next slice.
    ///
    /// # Errors
    /// [`UnsealError`] when the slice is out of order, not the listed one, or does not open.
    pub fn slice(&mut self, index: u32, piece: &Piece) -> Result<Vec<u8>, UnsealError> {
        self.must_be_next(index)?;
        let plain = self.opened.slice(index, piece)?;
        Ok(self.took(plain))
    }

    /// [`Self::slice`] for a piece whose digest has been compared with the manifest's already.
    pub(crate) fn verified_slice(
        &mut self,
        index: u32,
        piece: &Piece,
    ) -> Result<Vec<u8>, UnsealError> {
        self.must_be_next(index)?;
        let plain = self.opened.verified_slice(index, piece)?;
        Ok(self.took(plain))
    }

    fn must_be_next(&self, index: u32) -> Result<(), UnsealError> {
        if index == self.next && !self.is_complete() {
            return Ok(());
        }
        Err(UnsealError::OutOfOrder {
            expected: self.next,
            given: index,
        })
    }

    fn took(&mut self, plain: Vec<u8>) -> Vec<u8> {
        self.content.slice(&plain);
        self.next += 1;
        plain
    }

    /// Whether every slice has been opened.
    pub fn is_complete(&self) -> bool {
        self.next as usize == self.manifest().slices().len()
    }

    /// Checks that nothing is missing and the whole is what was sealed.
    ///
    /// # Errors
    /// [`UnsealError`] otherwise.
    pub fn finish(self) -> Result<Content, UnsealError> {
        if !self.is_complete() {
            return Err(UnsealError::CutShort {
                expected: self.manifest().slices().len() as u32,
                given: self.next,
            });
        }
        let digest = self.content.finish();
        if digest != self.opened.manifest().content {
            return Err(UnsealError::OtherContent);
        }
        Ok(Content {
            length: self.opened.manifest().length,
            digest,
        })
    }
}

/// Opens a whole file whose pieces are at hand: writes the plaintext to `sink` as it verifies.
///
/// # Errors
/// [`UnsealError`]; what was written before an error is authentic but incomplete.
pub fn unseal(
    expected: &Expected,
    key: FileKey,
    manifest: &Piece,
    slices: impl IntoIterator<Item = Piece>,
    mut sink: impl Write,
) -> Result<Content, UnsealError> {
    let mut unsealer = Unsealer::new(expected, manifest, key)?;
    for (index, piece) in (0..).zip(slices) {
        sink.write_all(&unsealer.slice(index, &piece)?)?;
    }
    unsealer.finish()
}
