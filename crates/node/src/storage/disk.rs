//! The disk of a storage node: a directory.
//!
//! ```text
//! DIR/pieces/3f/3fa4...     one file per piece, named by its digest; its first byte is the shard
//! DIR/holdings/3f/3fa4...   which pieces form a file
//! DIR/partial/17-0          a value being written; deleted when the directory is opened
//! DIR/lock                  held by the one process that writes here
//! ```
//!
//! A value is written aside, synced, renamed into place, and its shard synced, so under a
//! digest there is a whole value or none, whatever moment the power goes; a value removed is gone
//! for good once its shard is synced. What the digest must match, what may be kept and for how long
//! is the vault's business, in [`assay_vault::storage`]. One file per piece was preferred to a
//! database: pieces are large, equal bytes have equal names, and any tool can copy or inspect them.
//!
//! Storage nodes of one process may be [`Neighbours`]. A piece that one of them has is then a second name of
//! the same file for the others, and takes no more room; each removes its own name.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use assay_crypto::Digest;
use assay_vault::storage::{Backend, BackendError, Shelf};

use crate::disk::{Files, Lock, System, read_bounded, sync_names};

/// Keeps values in files; every call blocks until the disk has answered.
#[derive(Debug)]
pub struct DirectoryBackend<F: Files = System> {
    root: PathBuf,
    files: F,
    counter: AtomicU64,
    neighbours: Arc<Neighbours>,
    /// Directories whose own names this process has made durable.
    durable: Mutex<BTreeSet<PathBuf>>,
    /// Kept for as long as this process may write.
    _lock: Option<Lock>,
}

impl DirectoryBackend {
    /// Opens `root`, creating it if needed, and deletes values that a crash left half-written.
    ///
    /// # Errors
    /// What the operating system said; [`io::ErrorKind::ResourceBusy`] when another process has it
    /// open.
    pub fn open(root: &Path) -> io::Result<Self> {
        Self::open_on(root, System)
    }

    /// Opens a directory that a storage node made, to read from it; nothing in it changes.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn read_only(root: &Path) -> io::Result<Self> {
        let backend = Self::new(root, System, None);
        backend.files.list(&backend.shelf(Shelf::Pieces))?;
        Ok(backend)
    }

    /// What is kept under `digest`, if it is a regular file of at most so many bytes: for a directory that somebody else
    /// brought.
    ///
    /// # Errors
    /// [`BackendError`] when the disk does not answer.
    pub fn get_bounded(
        &self,
        shelf: Shelf,
        digest: &Digest,
        most: u64,
    ) -> Result<Option<Vec<u8>>, BackendError> {
        match read_bounded(&self.place(shelf, digest).1, most) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map_err(failed),
        }
    }
}

impl<F: Files> DirectoryBackend<F> {
    /// [`DirectoryBackend::open`] on any files.
    ///
    /// # Errors
    /// As [`DirectoryBackend::open`].
    pub fn open_on(root: &Path, files: F) -> io::Result<Self> {
        files.create_dir(root)?;
        // Whatever is aside belongs to whoever holds the lock: nothing is deleted before.
        let lock = files.lock(&root.join("lock"))?;
        let backend = Self::new(root, files, lock);
        let partial = backend.partial();
        for dir in [
            backend.shelf(Shelf::Pieces),
            backend.shelf(Shelf::Holdings),
            partial.clone(),
        ] {
            backend.files.create_dir(&dir)?;
        }
        for (name, _) in backend.files.list(&partial)? {
            backend.files.remove(&partial.join(name))?;
        }
        // A shelf that a crash takes back takes every value along.
        sync_names(&backend.files, &partial)?;
        backend.settle()?;
        Ok(backend)
    }

    /// Makes durable what is there and what is not. Whoever was here before may have been killed
    /// between a change and its sync; what is found is answered for without another.
    fn settle(&self) -> io::Result<()> {
        for shelf in [Shelf::Pieces, Shelf::Holdings].map(|shelf| self.shelf(shelf)) {
            self.files.sync_dir(&shelf)?;
            for (shard, _) in self.files.list(&shelf)? {
                let shard = shelf.join(shard);
                self.files.sync_dir(&shard)?;
                self.known_durable(shard);
            }
        }
        Ok(())
    }

    fn new(root: &Path, files: F, lock: Option<Lock>) -> Self {
        Self {
            root: root.to_owned(),
            files,
            neighbours: Arc::default(),
            counter: AtomicU64::new(0),
            durable: Mutex::default(),
            _lock: lock,
        }
    }

    /// Shares the files of equal pieces with other storage nodes of this machine.
    #[must_use]
    pub fn among(mut self, neighbours: Arc<Neighbours>) -> Self {
        self.neighbours = neighbours;
        self
    }

    fn partial(&self) -> PathBuf {
        self.root.join("partial")
    }

    fn shelf(&self, shelf: Shelf) -> PathBuf {
        shelf_in(&self.root, shelf)
    }

    /// Directory and file of a value.
    fn place(&self, shelf: Shelf, digest: &Digest) -> (PathBuf, PathBuf) {
        place_in(&self.root, shelf, digest)
    }

    fn write(&self, shelf: Shelf, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let aside = self
            .partial()
            .join(format!("{}-{number}", std::process::id()));
        let (shard, file) = self.place(shelf, digest);
        // Until the piece has its name, so that a neighbour which is sent it at the same moment finds it.
        let _turn = (shelf == Shelf::Pieces).then(|| self.neighbours.turn(*digest));
        let linked = shelf == Shelf::Pieces && self.links(digest, bytes, &aside);
        let made = match linked {
            true => Ok(()),
            false => self.files.write_synced(&aside, bytes),
        };
        let written = made.and_then(|()| {
            self.have_shard(&shard, shelf)?;
            self.files.rename(&aside, &file)
        });
        if written.is_err() || linked {
            // Two names of one file stay two when one is renamed to the other.
            let _gone_or_failing = self.files.remove(&aside);
        }
        written?;
        self.files.sync_dir(&shard)
    }

    /// Whether a neighbour has the same bytes, and `aside` is a second name of its file now. That they are
    /// the same is seen by reading them: a damaged file must not spread.
    fn links(&self, digest: &Digest, bytes: &[u8], aside: &Path) -> bool {
        let others = self
            .neighbours
            .roots
            .iter()
            .filter(|root| **root != self.root);
        let mut files = others.map(|root| place_in(root, Shelf::Pieces, digest).1);
        files.any(|file| {
            self.files.read(&file).is_ok_and(|found| found == bytes)
                && self.files.link(&file, aside).is_ok()
        })
    }

    /// Makes sure that a shard is there and survives a crash. That one is there does not say so: an
    /// earlier attempt, or process, may have ended before it was synced.
    fn have_shard(&self, shard: &Path, shelf: Shelf) -> io::Result<()> {
        let is_known = {
            let durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
            durable.contains(shard)
        };
        if !is_known {
            self.files.create_dir(shard)?;
            self.files.sync_dir(&self.shelf(shelf))?;
            self.known_durable(shard.to_owned());
        }
        Ok(())
    }

    fn known_durable(&self, shard: PathBuf) {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        durable.insert(shard);
    }

    fn remove(&self, shelf: Shelf, digest: &Digest) -> io::Result<()> {
        let (shard, file) = self.place(shelf, digest);
        match self.files.remove(&file) {
            // Also when it was gone before: an earlier removal may have failed to sync.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match self.files.sync_dir(&shard) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced,
        }
    }

    fn names(&self, shelf: Shelf) -> io::Result<Vec<(Digest, u64)>> {
        let mut found = Vec::new();
        let shelf = self.shelf(shelf);
        for (shard, _) in self.files.list(&shelf)? {
            for (name, length) in self.files.list(&shelf.join(shard))? {
                // A file that somebody else put here has another kind of name.
                if let Some(digest) = name.to_str().and_then(|name| name.parse().ok()) {
                    found.push((digest, length));
                }
            }
        }
        Ok(found)
    }
}

impl<F: Files> Backend for DirectoryBackend<F> {
    fn put(&self, shelf: Shelf, digest: &Digest, bytes: &[u8]) -> Result<(), BackendError> {
        self.write(shelf, digest, bytes).map_err(failed)
    }

    fn get(&self, shelf: Shelf, digest: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        match self.files.read(&self.place(shelf, digest).1) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(failed),
        }
    }

    fn delete(&self, shelf: Shelf, digest: &Digest) -> Result<(), BackendError> {
        self.remove(shelf, digest).map_err(failed)
    }

    fn list(&self, shelf: Shelf) -> Result<Vec<(Digest, u64)>, BackendError> {
        self.names(shelf).map_err(failed)
    }
}

fn shelf_in(root: &Path, shelf: Shelf) -> PathBuf {
    root.join(match shelf {
        Shelf::Pieces => "pieces",
        Shelf::Holdings => "holdings",
    })
}

fn place_in(root: &Path, shelf: Shelf, digest: &Digest) -> (PathBuf, PathBuf) {
    let name = digest.to_string();
    let shard = shelf_in(root, shelf).join(&name[..2]);
    let file = shard.join(name);
    (shard, file)
}

/// Storage nodes of one process, which keep files of equal pieces once.
#[derive(Debug, Default)]
pub struct Neighbours {
    roots: Vec<PathBuf>,
    /// Pieces that one of them is writing.
    writing: Mutex<BTreeSet<Digest>>,
    written: Condvar,
}

impl Neighbours {
    /// Storage nodes with these directories.
    pub fn new(roots: Vec<PathBuf>) -> Self {
        Self {
            roots,
            ..Self::default()
        }
    }

    /// Waits until no neighbour writes a piece, and keeps them from it until what is returned is dropped.
    fn turn(&self, digest: Digest) -> Turn<'_> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        while !writing.insert(digest) {
            let waited = self.written.wait(writing);
            writing = waited.unwrap_or_else(PoisonError::into_inner);
        }
        Turn(self, digest)
    }
}

struct Turn<'a>(&'a Neighbours, Digest);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Turn(neighbours, digest) = self;
        let mut writing = neighbours
            .writing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        writing.remove(digest);
        drop(writing);
        neighbours.written.notify_all();
    }
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
