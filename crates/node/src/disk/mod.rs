//! What a storage directory and a journal ask of the file system, so that a simulation can put a disk
//! underneath that forgets whatever was not synced.
//!
//! Promises are those of any POSIX system: a name is durable only once its folder is synced, bytes only
//! once their file is, and what was not synced may survive a loss of power in part
//! (`docs/decisions/0296-one-disk-that-forgets.md`).

pub(crate) mod locked;
mod system;

use std::{
    any::Any,
    ffi::OsString,
    fmt::Debug,
    fs,
    io::{self, Read as _},
    path::Path,
};

pub use self::system::System;

/// A lock on a file, until it is dropped.
#[derive(Debug)]
pub struct Lock(
    #[expect(dead_code, reason = "dropping it gives the lock back")] Box<dyn Any + Send + Sync>,
);

impl Lock {
    /// A lock that is given back when `held` is dropped.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self(Box::new(held))
    }
}

/// Files and folders.
pub trait Files: Debug + Send + Sync {
    /// Writes a new file and makes its bytes durable; its name is not.
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file a second name, which nothing has: the same bytes, taking their room once. What its name
    /// is, is not durable yet. Not every file system can.
    fn link(&self, _file: &Path, _name: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What is in a folder: names, and the lengths of files.
    fn list(&self, dir: &Path) -> io::Result<Vec<(OsString, u64)>>;

    /// Creates a folder with those above it; success if it is there.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable, and the absence of those that are gone.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Keeps other processes out; `None` where there is nobody to keep out.
    fn lock(&self, path: &Path) -> io::Result<Option<Lock>>;

    /// Opens or creates a file that only its owner may read; its folder is made.
    fn log(&self, path: &Path) -> io::Result<Box<dyn Log>>;

    /// [`Self::log`] for one process at a time, until what is returned is dropped: `None` while
    /// another has the file. A name that leads elsewhere is refused, and without `create` one that
    /// leads nowhere.
    fn locked_log(&self, path: &Path, create: bool) -> io::Result<Option<Box<dyn Log>>>;
}

/// An open file that grows at its end.
pub trait Log: Debug + Send {
    /// All of its bytes.
    fn read(&mut self) -> io::Result<Vec<u8>>;

    /// Adds bytes at the end. After an error some of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Drops what is behind the first `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Makes length and bytes durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// The bytes of a regular file; `None` when it is none, or longer than `most`. For files that somebody else brought.
///
/// # Errors
/// What the operating system said.
pub fn read_bounded(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    // A pipe would be waited for.
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Ending of the names of files that are being written.
pub(crate) const ASIDE: &str = "part";

/// Writes a file in the place of what is there, so that whatever moment the process or the power goes, the old one or the new one is
/// there whole. One process at a time may do it; what an earlier one left unfinished is removed.
///
/// # Errors
/// What the operating system said; the old file is there then.
pub fn replace(files: &dyn Files, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension(ASIDE);
    match files.remove(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    files.write_synced(&aside, bytes)?;
    files.rename(&aside, path)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    files.sync_dir(folder.unwrap_or(Path::new(".")))
}

/// Makes the name of a file durable, with those of all folders above it: whoever made them may have
/// died before they were. It ends early at a folder that this process may not read or whose file
/// system has nothing to sync, since what it made itself lies below.
///
/// # Errors
/// What the operating system said.
pub fn sync_names(files: &dyn Files, path: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    for (height, folder) in path.ancestors().skip(1).enumerate() {
        let here = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        match files.sync_dir(here) {
            Err(error) if height > 0 => match error.kind() {
                PermissionDenied | InvalidInput | ReadOnlyFilesystem | Unsupported => break,
                _ => return Err(error),
            },
            synced => synced?,
        }
    }
    Ok(())
}
