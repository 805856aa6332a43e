//! What a storage directory asks of the file system, so that tests can put a disk underneath that
//! forgets whatever was not synced.

use std::{
    ffi::OsString,
    fmt::Debug,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
};

/// A lock on a file, until it is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "dropping it gives the lock back")] File);

/// Files and directories. As on any POSIX system: a name is durable only once its directory is
/// synced, bytes only once their file is.
pub trait Files: Debug + Send + Sync {
    /// Writes a new file and makes its bytes durable; its name is not.
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What is in a directory: names, and the lengths of files.
    fn list(&self, dir: &Path) -> io::Result<Vec<(OsString, u64)>>;

    /// Creates a directory with those above it; success if it is there.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable, and the absence of those that are gone.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Keeps other processes out; `None` where there is nobody to keep out.
    fn lock(&self, path: &Path) -> io::Result<Option<Lock>>;
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Files for System {
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(OsString, u64)>> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            Ok((entry.file_name(), entry.metadata()?.len()))
        };
        fs::read_dir(dir)?.map(entry).collect()
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another process keeps its pieces there: stop it, or give this node another `dir`",
            )),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
