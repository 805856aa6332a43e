//! From a plaintext stream to pieces, in constant memory.

use std::io::{self, Read, Seek, SeekFrom};

use assay_crypto::{
    Digest,
    aead::{self, EncryptError, FileKey},
};
use assay_ledger::FileId;

use crate::length;
use crate::manifest::{FORMAT_VERSION, Manifest, ManifestError, file_id};
use crate::piece::{MAX_SLICES, Piece, PieceTooLong};
use crate::placement::Coding;
use crate::unseal::Expected;
use assay_crypto::content::{ContentHasher, SLICE_BYTES};

/// One slice, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSlice {
    /// Its position in the file, from zero.
    pub index: u32,
    /// Whether the file ends here.
    pub last: bool,
    /// Digest of the piece.
    pub digest: Digest,
    /// The piece: ciphertext and tag.
    pub piece: Piece,
}

/// A whole file, sealed: its table of contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedFile {
    /// The file's id: digest of `piece`.
    pub id: FileId,
    /// The table of contents.
    pub manifest: Manifest,
    /// The manifest, sealed.
    pub piece: Piece,
}

impl SealedFile {
    /// What the ledger will say about it, as far as opening it depends on it.
    pub fn expected(&self) -> Expected {
        Expected {
            id: self.id,
            root: self.manifest.root(),
            slices: self.manifest.slices().len() as u32,
            length_class: length::class(self.manifest.length),
        }
    }
}

/// A file could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The source failed.
    #[error("the file could not be read")]
    Source(#[from] io::Error),
    /// The source is longer than a file may be.
    #[error("the file needs more than {MAX_SLICES} slices of 4 MiB; split it into several files")]
    TooLong,
    /// A slice read again is not what it was before.
    #[error(
        "slice {index} changed while the file was being stored; store it anew when nothing writes \
         to it"
    )]
    SourceChanged {
        /// Which slice.
        index: u32,
    },
    /// The table of contents does not add up.
    #[error("the manifest does not add up")]
    Manifest(#[from] ManifestError),
    /// The cipher refused a slice.
    #[error("a slice could not be encrypted")]
    Cipher(#[from] EncryptError),
    /// A piece is over its limit.
    #[error("a piece is over its limit")]
    Piece(#[from] PieceTooLong),
}

/// Reads a file once, slice by slice, and seals what it reads.
///
/// The key must be fresh for every file: the nonce of a slice is its index.
pub struct Sealer<R> {
    source: R,
    key: FileKey,
    coding: Coding,
    content: ContentHasher,
    length: u64,
    digests: Vec<Digest>,
    /// A byte read ahead, to know whether a full slice was the last.
    ahead: Option<u8>,
    ended: bool,
}

impl<R: Read> Sealer<R> {
    /// Will seal `source` from where it stands under `key`.
    pub fn new(source: R, key: FileKey, coding: Coding) -> Self {
        Self {
            source,
            key,
            coding,
            content: ContentHasher::new(),
            length: 0,
            digests: Vec::new(),
            ahead: None,
            ended: false,
        }
    }

    /// What is being read.
    pub fn source_mut(&mut self) -> &mut R {
        &mut self.source
    }

    /// The next slice, or `None` after the last. An empty source is one empty slice.
    ///
    /// # Errors
    /// [`SealError`] when the source fails or is too long.
    pub fn next_slice(&mut self) -> Result<Option<SealedSlice>, SealError> {
        if self.ended {
            return Ok(None);
        }
        let index = u32::try_from(self.digests.len()).map_err(|_| SealError::TooLong)?;
        if index >= MAX_SLICES {
            return Err(SealError::TooLong);
        }
        let mut plain = Vec::with_capacity(SLICE_BYTES);
        plain.extend(self.ahead.take());
        let missing = (SLICE_BYTES - plain.len()) as u64;
        (&mut self.source).take(missing).read_to_end(&mut plain)?;
        if plain.len() == SLICE_BYTES {
            self.ahead = one_byte(&mut self.source)?;
        }
        self.ended = self.ahead.is_none();
        self.content.slice(&plain);
        self.length += plain.len() as u64;
        let sealed = seal_slice(&self.key, index, self.ended, &plain)?;
        self.digests.push(sealed.digest);
        Ok(Some(sealed))
    }

    /// Seals whatever is left and writes the table of contents.
    ///
    /// # Errors
    /// [`SealError`] when the source fails or is too long.
    pub fn finish(&mut self) -> Result<SealedFile, SealError> {
        while self.next_slice()?.is_some() {}
        let content = std::mem::take(&mut self.content).finish();
        let manifest = Manifest::new(self.coding, self.length, content, self.digests.clone())?;
        let piece = manifest.seal(&self.key)?;
        Ok(SealedFile {
            id: file_id(&piece),
            manifest,
            piece,
        })
    }
}

impl<R: Read + Seek> Sealer<R> {
    /// Slice `index`, in any order: reads ahead to it, or goes back and seals it again.
    ///
    /// Going back is how a copy is made on a node that joins late, without keeping slices. The
    /// source must start at position zero.
    ///
    /// # Errors
    /// [`SealError::SourceChanged`] when a slice is not what it was at first: sending it would
    /// use one nonce for two texts, so it is not returned. `None` when the file ends before.
    pub fn slice(&mut self, index: u32) -> Result<Option<SealedSlice>, SealError> {
        while (self.digests.len() as u64) < u64::from(index) {
            if self.next_slice()?.is_none() {
                return Ok(None);
            }
        }
        match self.digests.get(index as usize).copied() {
            None => self.next_slice(),
            Some(expected) => self.again(index, expected).map(Some),
        }
    }

    fn again(&mut self, index: u32, expected: Digest) -> Result<SealedSlice, SealError> {
        let resume = self.source.stream_position()?;
        let start = u64::from(index) * SLICE_BYTES as u64;
        self.source.seek(SeekFrom::Start(start))?;
        let mut plain = Vec::with_capacity(SLICE_BYTES);
        (&mut self.source)
            .take(SLICE_BYTES as u64)
            .read_to_end(&mut plain)?;
        self.source.seek(SeekFrom::Start(resume))?;
        let last = self.ended && index as usize + 1 == self.digests.len();
        let sealed = seal_slice(&self.key, index, last, &plain)?;
        if sealed.digest != expected {
            return Err(SealError::SourceChanged { index });
        }
        Ok(sealed)
    }
}

/// Seals one slice of at most [`SLICE_BYTES`] bytes.
fn seal_slice(
    key: &FileKey,
    index: u32,
    last: bool,
    plain: &[u8],
) -> Result<SealedSlice, SealError> {
    let sealed = aead::encrypt(key, u64::from(index), &associated(index, last), plain)?;
    let piece = Piece::new(sealed)?;
    Ok(SealedSlice {
        index,
        last,
        digest: piece.digest(),
        piece,
    })
}

/// What a slice's tag covers besides its bytes: format, position, and whether the file ends here.
pub(crate) fn associated(index: u32, last: bool) -> Vec<u8> {
    let mut bytes = b"assay/vault/slice".to_vec();
    bytes.push(FORMAT_VERSION);
    bytes.extend(u64::from(index).to_le_bytes());
    bytes.push(u8::from(last));
    bytes
}

fn one_byte(source: &mut impl Read) -> io::Result<Option<u8>> {
    let mut byte = Vec::with_capacity(1);
    source.take(1).read_to_end(&mut byte)?;
    Ok(byte.first().copied())
}
