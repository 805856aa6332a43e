//! The disk of a storage node: a directory.
//!
//! ```text
//! DIR/pieces/3f/3fa4...     one file per piece, named by its digest; its first byte is the shard
//! DIR/holdings/3f/3fa4...   which pieces form a file
//! DIR/partial/17-0          a value being written; deleted when the directory is opened
//! ```
//!
//! A value is written aside, synced, renamed into place, and its shard synced, so under a
//! digest there is a whole value or none, whatever moment the power goes. What the digest must
//! match, what may be kept and for how long is the vault's business, in
//! [`assay_vault::storage`]. One file per piece was preferred to a database: pieces are large,
//! equal bytes have equal names, and any tool can copy or inspect them.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use assay_crypto::Digest;
use assay_vault::storage::{Backend, BackendError, Shelf};

/// Keeps values in files; every call blocks until the disk has answered.
#[derive(Debug)]
pub struct DirectoryBackend {
    root: PathBuf,
    counter: AtomicU64,
}

impl DirectoryBackend {
    /// Opens `root`, creating it if needed, and deletes values that a crash left half-written.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn open(root: &Path) -> io::Result<Self> {
        let backend = Self::new(root);
        match fs::remove_dir_all(backend.partial()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for dir in [
            backend.shelf(Shelf::Pieces),
            backend.shelf(Shelf::Holdings),
            backend.partial(),
        ] {
            fs::create_dir_all(dir)?;
        }
        Ok(backend)
    }

    /// Opens a directory that a storage node made, to read from it; nothing in it changes.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn read_only(root: &Path) -> io::Result<Self> {
        let backend = Self::new(root);
        fs::read_dir(backend.shelf(Shelf::Pieces))?;
        Ok(backend)
    }

    fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            counter: AtomicU64::new(0),
        }
    }

    fn partial(&self) -> PathBuf {
        self.root.join("partial")
    }

    fn shelf(&self, shelf: Shelf) -> PathBuf {
        self.root.join(match shelf {
            Shelf::Pieces => "pieces",
            Shelf::Holdings => "holdings",
        })
    }

    /// Directory and file of a value.
    fn place(&self, shelf: Shelf, digest: &Digest) -> (PathBuf, PathBuf) {
        let name = digest.to_string();
        let shard = self.shelf(shelf).join(&name[..2]);
        let file = shard.join(name);
        (shard, file)
    }

    fn write(&self, shelf: Shelf, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let aside = self
            .partial()
            .join(format!("{}-{number}", std::process::id()));
        let (shard, file) = self.place(shelf, digest);
        let written = write_synced(&aside, bytes).and_then(|()| {
            if !shard.is_dir() {
                fs::create_dir_all(&shard)?;
                sync(&self.shelf(shelf))?;
            }
            fs::rename(&aside, &file)
        });
        if written.is_err() {
            let _already_failing = fs::remove_file(&aside);
        }
        written?;
        sync(&shard)
    }

    fn names(&self, shelf: Shelf) -> io::Result<Vec<(Digest, u64)>> {
        let mut found = Vec::new();
        for shard in fs::read_dir(self.shelf(shelf))? {
            for entry in fs::read_dir(shard?.path())? {
                let entry = entry?;
                // A file that somebody else put here has another kind of name.
                let name = entry.file_name();
                if let Some(digest) = name.to_str().and_then(|name| name.parse().ok()) {
                    found.push((digest, entry.metadata()?.len()));
                }
            }
        }
        Ok(found)
    }
}

impl Backend for DirectoryBackend {
    fn put(&self, shelf: Shelf, digest: &Digest, bytes: &[u8]) -> Result<(), BackendError> {
        self.write(shelf, digest, bytes).map_err(failed)
    }

    fn get(&self, shelf: Shelf, digest: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        match fs::read(self.place(shelf, digest).1) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(failed),
        }
    }

    fn delete(&self, shelf: Shelf, digest: &Digest) -> Result<(), BackendError> {
        match fs::remove_file(self.place(shelf, digest).1) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    fn list(&self, shelf: Shelf) -> Result<Vec<(Digest, u64)>, BackendError> {
        self.names(shelf).map_err(failed)
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes new names in `dir` survive a crash.
fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn failed(error: io::Error) -> BackendError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BackendError::Full,
        _ => BackendError::Failed(error.to_string()),
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
