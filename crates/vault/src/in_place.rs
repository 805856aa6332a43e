//! A sealed file, read where its pieces lie.
//!
//! The plaintext is nowhere but in memory, and of it only the slice that was read last. Every slice
//! is compared with the manifest whenever it is read, so a piece that was exchanged, cut or damaged
//! after it came is an error and never other bytes.

use std::io;
use std::sync::{Mutex, PoisonError};

use assay_crypto::content::SLICE_BYTES;
use assay_crypto::{
    ReadAt,
    aead::{self, FileKey},
};

use crate::length;
use crate::manifest::{Manifest, file_id};
use crate::piece::Piece;
use crate::seal::associated;
use crate::unseal::{Expected, UnsealError};

/// A manifest that is open and agrees with the ledger, and the key of its file.
#[derive(Clone)]
pub struct Opened {
    key: FileKey,
    manifest: Manifest,
}

impl Opened {
    /// Opens the manifest and checks it against the ledger's view of the file.
    ///
    /// # Errors
    /// [`UnsealError`] when the piece is another one, the key is wrong, or the owner lied.
    pub fn new(expected: &Expected, manifest: &Piece, key: FileKey) -> Result<Self, UnsealError> {
        if file_id(manifest) != expected.id {
            return Err(UnsealError::OtherManifest);
        }
        let manifest = Manifest::open(manifest, &key)?;
        let contradiction = |what| Err(UnsealError::Contradiction(what));
        if manifest.slices().len() as u64 != u64::from(expected.slices) {
            return contradiction("number of slices");
        }
        if length::class(manifest.length) != expected.length_class {
            return contradiction("length");
        }
        if manifest.root() != expected.root {
            return contradiction("root");
        }
        Ok(Self { key, manifest })
    }

    /// The table of contents.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Verifies and opens a slice.
    ///
    /// # Errors
    /// [`UnsealError`] when it is not the one that the manifest lists, or does not open.
    pub fn slice(&self, index: u32, piece: &Piece) -> Result<Vec<u8>, UnsealError> {
        let listed = self.manifest.slices().get(index as usize);
        if listed.is_none_or(|digest| piece.digest() != *digest) {
            return Err(UnsealError::OtherSlice { index });
        }
        self.verified_slice(index, piece)
    }

    /// [`Self::slice`] for a piece whose digest has been compared with the manifest's already.
    pub(crate) fn verified_slice(&self, index: u32, piece: &Piece) -> Result<Vec<u8>, UnsealError> {
        let last = index as usize + 1 == self.manifest.slices().len();
        let plain = aead::decrypt(
            &self.key,
            u64::from(index),
            &associated(index, last),
            piece.bytes(),
        )
        .map_err(|_| UnsealError::Sealed { index })?;
        if plain.len() as u64 != self.manifest.slice_length(index) {
            return Err(UnsealError::Contradiction("length"));
        }
        Ok(plain)
    }
}

/// Where the pieces of a file's slices lie.
pub trait Pieces: Send + Sync + 'static {
    /// The piece of a slice, whatever it is there.
    ///
    /// # Errors
    /// When there is none to be had.
    fn piece(&self, index: u32) -> io::Result<Piece>;
}

/// The plaintext of a sealed file whose pieces are at hand.
pub struct InPlace<P> {
    opened: Opened,
    pieces: P,
    /// The slice that was read last: whoever reads a file reads on.
    latest: Mutex<Option<(u32, Vec<u8>)>>,
}

impl<P: Pieces> InPlace<P> {
    /// The plaintext in `pieces`, of the file whose manifest is `opened`.
    pub fn new(opened: Opened, pieces: P) -> Self {
        Self {
            opened,
            pieces,
            latest: Mutex::default(),
        }
    }

    /// Where the pieces lie.
    pub fn pieces(&self) -> &P {
        &self.pieces
    }

    fn open(&self, index: u32) -> io::Result<Vec<u8>> {
        let piece = self.pieces.piece(index)?;
        let slice = self.opened.slice(index, &piece);
        slice.map_err(|error| {
            let text = format!(
                "slice {index} is not the one that was fetched; something wrote to it ({error})"
            );
            io::Error::new(io::ErrorKind::InvalidData, text)
        })
    }
}

impl<P: Pieces> ReadAt for InPlace<P> {
    fn length(&self) -> u64 {
        self.opened.manifest.length
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.length()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = 0;
        while done < out.len() {
            let from = at + done as u64;
            let index = (from / SLICE_BYTES as u64) as u32;
            let slice = match latest.take() {
                Some((held, slice)) if held == index => slice,
                _ => self.open(index)?,
            };
            let into = (from % SLICE_BYTES as u64) as usize;
            let count = (slice.len() - into).min(out.len() - done);
            out[done..done + count].copy_from_slice(&slice[into..into + count]);
            done += count;
            *latest = Some((index, slice));
        }
        Ok(())
    }
}
