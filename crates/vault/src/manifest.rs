//! The manifest: the hidden table of contents of one file.
//!
//! A manifest is sealed like a slice and stored beside them, so storage nodes and the ledger see
//! neither the exact length nor the order of slices. The digest of its piece is the file's id.

use assay_crypto::{
    Digest,
    aead::{self, EncryptError, FileKey},
    merkle,
};
use assay_ledger::FileId;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::piece::{Digests, MAX_SLICES, Piece, PieceTooLong};
use crate::placement::Coding;
use assay_crypto::content::SLICE_BYTES;

/// Version of the slice and manifest formats, the first byte of a manifest piece.
pub const FORMAT_VERSION: u8 = 1;
/// Nonce of the manifest; slices count from zero and never get here.
const MANIFEST_NONCE: u64 = u64::MAX;
/// Version byte and key commitment, before the ciphertext.
const HEADER_BYTES: usize = 33;

/// What a file is made of; known only to those who hold its key.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Manifest {
    /// How slices became pieces.
    pub coding: Coding,
    /// Plaintext length in bytes.
    pub length: u64,
    /// Digest of the plaintext, as [`crate::content_digest`] computes it.
    pub content: Digest,
    slices: Digests<{ MAX_SLICES as usize }>,
}

/// A manifest cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Slices and length do not belong together.
    #[error("{slices} slices cannot hold {length} bytes")]
    Length {
        /// How many slices.
        slices: usize,
        /// Plaintext length in bytes.
        length: u64,
    },
    /// The cipher refused it.
    #[error("the manifest could not be encrypted")]
    Cipher(#[from] EncryptError),
    /// It is longer than a piece may be.
    #[error("the manifest does not fit one piece")]
    Piece(#[from] PieceTooLong),
}

/// A manifest piece did not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenManifestError {
    /// Shorter than any manifest.
    #[error("the manifest is cut short")]
    TooShort,
    /// Written by another release.
    #[error(
        "file format version {0} is not {FORMAT_VERSION}; open it with the release that wrote it"
    )]
    Version(u8),
    /// The key is not the one the file was sealed with.
    #[error("this key does not open this file; use the key the file was sealed with")]
    WrongKey,
    /// The key is right, but the bytes were changed.
    #[error("the manifest was altered after it was sealed")]
    Altered,
    /// It opened, but says what no writer says.
    #[error("the manifest is malformed: {0}")]
    Malformed(String),
}

impl Manifest {
    /// Describes `length` bytes cut into `slices`.
    ///
    /// # Errors
    /// [`ManifestError`] when the number of slices is not the one that `length` needs.
    pub fn new(
        coding: Coding,
        length: u64,
        content: Digest,
        slices: Vec<Digest>,
    ) -> Result<Self, ManifestError> {
        let count = slices.len();
        match Digests::new(slices) {
            Ok(slices) if slice_count(length) == Some(count as u64) => Ok(Self {
                coding,
                length,
                content,
                slices,
            }),
            _ => Err(ManifestError::Length {
                slices: count,
                length,
            }),
        }
    }

    /// Piece digests of the slices, in order; at least one.
    pub fn slices(&self) -> &[Digest] {
        self.slices.as_slice()
    }

    /// Merkle root over the slices: what the ledger record commits to.
    pub fn root(&self) -> Digest {
        merkle::root(self.slices().to_vec())
    }

    /// Plaintext bytes in slice `index`.
    pub fn slice_length(&self, index: u32) -> u64 {
        self.length
            .saturating_sub(u64::from(index) * SLICE_BYTES as u64)
            .min(SLICE_BYTES as u64)
    }

    /// Seals the manifest under the file's key: one piece, whose digest is the file's id.
    ///
    /// # Errors
    /// [`ManifestError`] above the limits of the cipher or of a piece, which [`Manifest::new`]
    /// keeps well below.
    pub fn seal(&self, key: &FileKey) -> Result<Piece, ManifestError> {
        let mut header = [0; HEADER_BYTES];
        header[0] = FORMAT_VERSION;
        header[1..].copy_from_slice(&key_commitment(key).0);
        // Writing bounded fields to memory does not fail.
        let plain = borsh::to_vec(self).unwrap_or_default();
        let mut bytes = header.to_vec();
        bytes.extend(aead::encrypt(
            key,
            MANIFEST_NONCE,
            &associated(&header),
            &plain,
        )?);
        Ok(Piece::new(bytes)?)
    }

    /// Opens a manifest piece.
    ///
    /// # Errors
    /// [`OpenManifestError`] tells a wrong key from altered bytes: the header commits to the key.
    pub fn open(piece: &Piece, key: &FileKey) -> Result<Self, OpenManifestError> {
        let (header, sealed) = piece
            .bytes()
            .split_at_checked(HEADER_BYTES)
            .ok_or(OpenManifestError::TooShort)?;
        if header[0] != FORMAT_VERSION {
            return Err(OpenManifestError::Version(header[0]));
        }
        if header[1..] != key_commitment(key).0 {
            return Err(OpenManifestError::WrongKey);
        }
        let plain = aead::decrypt(key, MANIFEST_NONCE, &associated(header), sealed)
            .map_err(|_| OpenManifestError::Altered)?;
        Self::decode(&plain)
    }

    /// Reads the plaintext of a manifest: bounded, and consistent in itself.
    ///
    /// # Errors
    /// [`OpenManifestError::Malformed`] otherwise.
    pub fn decode(plain: &[u8]) -> Result<Self, OpenManifestError> {
        let malformed = |e: String| OpenManifestError::Malformed(e);
        let read = Self::try_from_slice(plain).map_err(|e| malformed(e.to_string()))?;
        Self::new(
            read.coding,
            read.length,
            read.content,
            read.slices.into_vec(),
        )
        .map_err(|e| malformed(e.to_string()))
    }
}

/// Slices that `length` bytes need, or `None` above [`MAX_SLICES`]; an empty file has one.
pub fn slice_count(length: u64) -> Option<u64> {
    let count = length.div_ceil(SLICE_BYTES as u64).max(1);
    (count <= u64::from(MAX_SLICES)).then_some(count)
}

/// The id of the file whose sealed manifest this is.
pub fn file_id(manifest: &Piece) -> FileId {
    FileId(manifest.digest())
}

/// Binds a file to one key. ChaCha20-Poly1305 alone would let an owner craft a file that opens to
/// different bytes under two keys, and so show a provider other data than an auditor.
pub(crate) fn key_commitment(key: &FileKey) -> Digest {
    Digest::of("assay/vault/key/v1", &[&key.0])
}

fn associated(header: &[u8]) -> Vec<u8> {
    [b"assay/vault/manifest".as_slice(), header].concat()
}
