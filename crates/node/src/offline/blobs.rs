//! Files as they lie on storage nodes' disks.

use std::{io, path::PathBuf, sync::Arc};

use assay_crypto::{Digest, aead::FileKey};
use assay_ledger::{AccountId, FileId, Store, query};
use assay_proof::{Handle, Source};
use assay_vault::{
    Content, Expected, InPlace, Opened, Piece, Pieces, UnsealError, Unsealer,
    storage::{Backend, Shelf},
};

use super::OfflineError;
use crate::storage::DirectoryBackend;

/// Storage nodes' disks, read without the nodes.
#[derive(Clone)]
pub struct Blobs(Arc<Vec<DirectoryBackend>>);

impl Blobs {
    /// The storage directories `dirs`.
    ///
    /// # Errors
    /// [`OfflineError::Blobs`].
    pub fn open(dirs: &[PathBuf]) -> Result<Self, OfflineError> {
        let open = |path: &PathBuf| {
            DirectoryBackend::read_only(path).map_err(|source| OfflineError::Blobs {
                path: path.clone(),
                source,
            })
        };
        let opened = dirs.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(opened)))
    }

    /// Reads, checks and decrypts a file.
    ///
    /// # Errors
    /// [`OfflineError::File`].
    pub fn read(
        &self,
        state: &dyn Store,
        file: FileId,
        owner: AccountId,
        key: FileKey,
    ) -> Result<Vec<u8>, OfflineError> {
        let mut bytes = Vec::new();
        self.each_slice(state, file, owner, key, |slice| {
            bytes.extend_from_slice(slice)
        })?;
        Ok(bytes)
    }

    /// Checks a file and gives a handle on it, which reads it where its pieces lie.
    ///
    /// # Errors
    /// [`OfflineError::File`], also for a file that has another content than this.
    pub fn input(
        &self,
        state: &dyn Store,
        file: FileId,
        owner: AccountId,
        key: FileKey,
        content: Option<Digest>,
    ) -> Result<Handle, OfflineError> {
        let (opened, found) = self.each_slice(state, file, owner, key, |_| ())?;
        if content.is_some_and(|content| content != found.digest) {
            let reason = "its content is not the one the order names".to_owned();
            return Err(OfflineError::File { file, reason });
        }
        let pieces = BlobPieces {
            blobs: self.clone(),
            file,
            slices: opened.manifest().slices().to_vec(),
        };
        let bytes = Arc::new(InPlace::new(opened, pieces));
        Ok(Handle::new(bytes, found.digest, Source::Vault(file)).of(owner))
    }

    /// Goes through a whole file, slice by slice.
    fn each_slice(
        &self,
        state: &dyn Store,
        file: FileId,
        owner: AccountId,
        key: FileKey,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(Opened, Content), OfflineError> {
        let failed = |reason: String| OfflineError::File { file, reason };
        let record = query::file(state, &file, &owner)?
            .ok_or_else(|| failed(format!("{owner} recorded no such file")))?;
        let expected = Expected::from(&record);
        let unseal = |error: UnsealError| failed(crate::told(&error));
        let manifest = self.piece(file, &file.0)?;
        let opened = Opened::new(&expected, &manifest, key.clone()).map_err(unseal)?;
        let mut unsealer = Unsealer::new(&expected, &manifest, key).map_err(unseal)?;
        for (index, digest) in (0..).zip(opened.manifest().slices()) {
            let piece = self.piece(file, digest)?;
            take(&unsealer.slice(index, &piece).map_err(unseal)?);
        }
        let found = unsealer.finish().map_err(unseal)?;
        Ok((opened, found))
    }

    fn piece(&self, file: FileId, digest: &Digest) -> Result<Piece, OfflineError> {
        for backend in self.0.iter() {
            if let Ok(Some(bytes)) = backend.get(Shelf::Pieces, digest)
                && let Ok(piece) = Piece::new(bytes)
                && piece.digest() == *digest
            {
                return Ok(piece);
            }
        }
        Err(OfflineError::File {
            file,
            reason: format!("no disk holds piece {digest}"),
        })
    }
}

/// The slices of one file on those disks.
struct BlobPieces {
    blobs: Blobs,
    file: FileId,
    slices: Vec<Digest>,
}

impl Pieces for BlobPieces {
    fn piece(&self, index: u32) -> io::Result<Piece> {
        let digest = self.slices.get(index as usize);
        let digest = digest.ok_or(io::ErrorKind::UnexpectedEof)?;
        let piece = self.blobs.piece(self.file, digest);
        piece.map_err(|error| io::Error::other(crate::told(&error)))
    }
}
