//! Files as they lie on storage nodes' disks.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use assay_crypto::{Digest, aead::FileKey};
use assay_ledger::{FileId, FileRecord};
use assay_proof::{Handle, Source};
use assay_vault::{
    Content, Expected, InPlace, MAX_PIECE_BYTES, Opened, Piece, Pieces, UnsealError, Unsealer,
    storage::{Backend, BackendError, Shelf},
};

use super::error::OfflineError;
use crate::archive::{MAX_LIST_BYTES, listed, whole};
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
    pub fn read(&self, record: &FileRecord, key: FileKey) -> Result<Vec<u8>, OfflineError> {
        let mut bytes = Vec::new();
        self.each_slice(record, key, |slice| bytes.extend_from_slice(slice))?;
        Ok(bytes)
    }

    /// Checks a file and gives a handle on it, which reads it where its pieces lie.
    ///
    /// # Errors
    /// [`OfflineError::File`], also for a file that has another content than this.
    pub fn input(
        &self,
        record: &FileRecord,
        key: FileKey,
        content: Option<Digest>,
    ) -> Result<Handle, OfflineError> {
        let (file, owner) = (record.id, record.owner);
        let (opened, found) = self.each_slice(record, key, |_| ())?;
        if content.is_some_and(|content| content != found.digest) {
            let reason = "its content is not the one the order names".to_owned();
            return Err(OfflineError::Other { file, reason });
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
        record: &FileRecord,
        key: FileKey,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(Opened, Content), OfflineError> {
        let file = record.id;
        let failed = |reason: String| OfflineError::File { file, reason };
        let expected = Expected::from(record);
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
            let bytes = backend.get_bounded(Shelf::Pieces, digest, MAX_PIECE_BYTES as u64);
            let bytes = bytes.ok().flatten();
            if let Some(piece) = bytes.and_then(|bytes| whole(digest, bytes)) {
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

/// What lies in the folder of a storage node, or of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Piled {
    /// Pieces that are what their names say.
    pub pieces: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Names of those that are not.
    pub damaged: Vec<Digest>,
}

/// Reads everything in the folder of an archive's pieces and compares it with its name; `progress` hears how many of how
/// many.
///
/// # Errors
/// [`OfflineError::Blobs`] when the disk does not answer.
pub fn pile(path: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Piled, OfflineError> {
    let failed = |source: io::Error| OfflineError::Blobs {
        path: path.to_owned(),
        source,
    };
    let told = |error: BackendError| failed(io::Error::other(error));
    let vault = DirectoryBackend::read_only(path).map_err(failed)?;
    let mut piled = Piled::default();
    let mut names = vault.list(Shelf::Pieces).map_err(told)?;
    names.sort_unstable();
    let all = names.len() as u64;
    for (at, (digest, _)) in (1..).zip(names) {
        progress(at, all);
        let bytes = vault.get_bounded(Shelf::Pieces, &digest, MAX_PIECE_BYTES as u64);
        let bytes = bytes.map_err(told)?;
        match bytes.and_then(|bytes| whole(&digest, bytes)) {
            Some(piece) => {
                piled.pieces += 1;
                piled.bytes += piece.len() as u64;
            }
            None => piled.damaged.push(digest),
        }
    }
    for (root, _) in vault.list(Shelf::Holdings).map_err(told)? {
        let bytes = vault.get_bounded(Shelf::Holdings, &root, MAX_LIST_BYTES);
        let bytes = bytes.map_err(told)?;
        if bytes.and_then(|bytes| listed(&root, &bytes)).is_none() {
            piled.damaged.push(root);
        }
    }
    Ok(piled)
}
