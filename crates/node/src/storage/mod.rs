//! Slices of ciphertext in a directory, as a storage node keeps them.
//!
//! ```text
//! DIR/slices/3f/3fa4...   one file per slice, named by its digest; the first byte is the shard
//! DIR/partial/17-0        a slice being written; deleted when the directory is opened
//! ```
//!
//! A slice is written aside, synced, renamed into place, and its shard synced, so under its
//! name there is a whole slice or nothing, whatever moment the power goes. Reads check the
//! digest: a rotten slice is an error, never data. One file per slice was preferred to a
//! database: slices are large, equal bytes have equal names, and any tool can copy them.

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use assay_crypto::Digest;

/// Names a slice's bytes.
pub type Namer = fn(&[u8]) -> Digest;

/// Directory of slices with a limit on their total size. Calls block on the disk.
#[derive(Debug)]
pub struct SliceDirectory {
    slices: PathBuf,
    partial: PathBuf,
    name: Namer,
    max_slice: usize,
    quota: u64,
    used: Mutex<u64>,
    counter: AtomicU64,
}

/// Why a slice was not stored or returned.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    /// There is no slice of that name.
    #[error("slice {0} is not kept here; try another replica")]
    Missing(Digest),
    /// The bytes on disk are not those that were stored.
    #[error("slice {0} is damaged on this disk; try another replica and store it here again")]
    Damaged(Digest),
    /// The slice is longer than slices are.
    #[error("the slice has {length} bytes, but at most {limit} are kept in one; cut it")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// There is no room.
    #[error(
        "this node keeps {used} of {quota} bytes and has no room for {wanted} more; try another node"
    )]
    Full {
        /// Bytes kept.
        used: u64,
        /// Bytes allowed.
        quota: u64,
        /// Bytes asked for.
        wanted: u64,
    },
    /// The disk failed.
    #[error("the disk failed at {path}")]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl SliceDirectory {
    /// Opens `dir`, creating it if needed, for slices of at most `max_slice` bytes named by
    /// `name`. Half-written slices of an earlier run are deleted, the rest is counted.
    ///
    /// # Errors
    /// [`SliceError::Disk`].
    pub fn open(dir: &Path, name: Namer, max_slice: usize, quota: u64) -> Result<Self, SliceError> {
        let (slices, partial) = (dir.join("slices"), dir.join("partial"));
        match fs::remove_dir_all(&partial) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(disk(&partial)(e)),
            _ => {}
        }
        for path in [&slices, &partial] {
            fs::create_dir_all(path).map_err(disk(path))?;
        }
        let mut used = 0;
        for shard in list(&slices)? {
            for slice in list(&shard)? {
                used += fs::metadata(&slice).map_err(disk(&slice))?.len();
            }
        }
        let (used, counter) = (Mutex::new(used), AtomicU64::new(0));
        Ok(Self {
            slices,
            partial,
            name,
            max_slice,
            quota,
            used,
            counter,
        })
    }

    /// Stores a slice and returns its name once it is safely on disk. Storing it again does
    /// nothing, unless the copy on disk is damaged: then it is replaced.
    ///
    /// # Errors
    /// [`SliceError::TooLong`], [`SliceError::Full`], [`SliceError::Disk`].
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, SliceError> {
        if bytes.len() > self.max_slice {
            return Err(SliceError::TooLong {
                length: bytes.len(),
                limit: self.max_slice,
            });
        }
        let name = (self.name)(bytes);
        let path = self.path(name);
        let replaced = match self.get(name) {
            Ok(_) => return Ok(name),
            Err(SliceError::Damaged(_)) => fs::metadata(&path).map_err(disk(&path))?.len(),
            Err(SliceError::Missing(_)) => 0,
            Err(error) => return Err(error),
        };
        let length = bytes.len() as u64;
        self.reserve(length)?;
        match self.write(&path, bytes) {
            Ok(()) => {
                self.release(replaced);
                Ok(name)
            }
            Err(error) => {
                self.release(length);
                Err(error)
            }
        }
    }

    /// Reads a slice and checks it against its name.
    ///
    /// # Errors
    /// [`SliceError::Missing`], [`SliceError::Damaged`], [`SliceError::Disk`].
    pub fn get(&self, name: Digest) -> Result<Vec<u8>, SliceError> {
        let path = self.path(name);
        let file = match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(SliceError::Missing(name)),
            other => other.map_err(disk(&path))?,
        };
        let mut bytes = Vec::new();
        let limit = self.max_slice as u64 + 1;
        file.take(limit)
            .read_to_end(&mut bytes)
            .map_err(disk(&path))?;
        if bytes.len() > self.max_slice || (self.name)(&bytes) != name {
            return Err(SliceError::Damaged(name));
        }
        Ok(bytes)
    }

    /// Whether a slice of that name is kept; its content is not checked.
    pub fn contains(&self, name: Digest) -> bool {
        self.path(name).is_file()
    }

    /// Deletes a slice; deleting one that is not kept does nothing.
    ///
    /// # Errors
    /// [`SliceError::Disk`].
    pub fn remove(&self, name: Digest) -> Result<(), SliceError> {
        let path = self.path(name);
        let length = match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(disk(&path))?.len(),
        };
        fs::remove_file(&path).map_err(disk(&path))?;
        self.release(length);
        Ok(())
    }

    /// Bytes kept.
    pub fn used(&self) -> u64 {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Most bytes kept.
    pub fn quota(&self) -> u64 {
        self.quota
    }

    fn path(&self, name: Digest) -> PathBuf {
        let name = name.to_string();
        self.slices.join(&name[..2]).join(name)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), SliceError> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let aside = self
            .partial
            .join(format!("{}-{number}", std::process::id()));
        let written = File::create_new(&aside)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        if let Err(error) = written {
            let _ = fs::remove_file(&aside);
            return Err(disk(&aside)(error));
        }
        let shard = path.parent().unwrap_or(&self.slices);
        if !shard.is_dir() {
            fs::create_dir_all(shard).map_err(disk(shard))?;
            sync(&self.slices)?;
        }
        fs::rename(&aside, path).map_err(disk(path))?;
        sync(shard)
    }

    fn reserve(&self, length: u64) -> Result<(), SliceError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match used.checked_add(length) {
            Some(total) if total <= self.quota => {
                *used = total;
                Ok(())
            }
            _ => Err(SliceError::Full {
                used: *used,
                quota: self.quota,
                wanted: length,
            }),
        }
    }

    fn release(&self, length: u64) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(length);
    }
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, SliceError> {
    let entries = fs::read_dir(dir).map_err(disk(dir))?;
    entries
        .map(|entry| entry.map(|e| e.path()).map_err(disk(dir)))
        .collect()
}

/// Makes new names in `dir` survive a crash.
fn sync(dir: &Path) -> Result<(), SliceError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(disk(dir))
}

fn disk(path: &Path) -> impl Fn(io::Error) -> SliceError + '_ {
    move |source| SliceError::Disk {
        path: path.to_owned(),
        source,
    }
}
