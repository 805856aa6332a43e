//! One process for each directory, and one for each key on a machine.
//!
//! Two processes in one directory write over each other, and two with one account take each
//! other's address and next nonce, and as validators vote against each other. Both locks are the
//! kernel's: it frees them when the process ends, however it ends, so nothing has to be cleaned
//! up after a kill. Reading a directory that is in use needs no lock.

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use assay_crypto::{Digest, SecretKey};

/// Name of the file that is locked.
const FILE: &str = "lock";

/// Longest note about the holder that is read, in bytes.
const MAX_NOTE: u64 = 64;

/// Why a directory or a key could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works in the directory.
    #[error("{} is in use by {holder}: stop that process first, or give this one a directory and a key of its own", .dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// `process 1234`, or `another process` where it cannot be told.
        holder: String,
    },
    /// Another process on this machine runs with the key.
    #[error(
        "another process on this machine runs with the key of account {0}, from another directory: stop it first, or make this one a key of its own with `assay keys new`"
    )]
    KeyInUse(assay_crypto::PublicKey),
    /// The directory cannot be written.
    #[error("cannot write in {}", .dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A directory that belongs to this process until this value is dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    dir: PathBuf,
    /// Closing it frees the lock.
    _file: File,
}

impl DirectoryLock {
    /// Takes `dir`, creating it if needed.
    ///
    /// # Errors
    /// [`LockError::InUse`] with the holder's process id if it can be read;
    /// [`LockError::Directory`] when nothing can be written there.
    pub fn take(dir: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Directory {
            dir: dir.to_owned(),
            source,
        };
        fs::create_dir_all(dir).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(dir.join(FILE)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::InUse {
                    dir: std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Only a note for people: the lock is what counts.
        let noted = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(failed)?;
        Ok(Self {
            dir: dir.to_owned(),
            _file: file,
        })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

fn holder(file: &mut File) -> String {
    let mut note = String::new();
    let read = file.rewind();
    let read = read.and_then(|()| file.take(MAX_NOTE).read_to_string(&mut note));
    match (read, note.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    }
}

/// The only process on this machine that acts for a key, where the system has a way to know.
#[derive(Debug)]
pub struct KeyLock {
    #[cfg(target_os = "linux")]
    _name: Option<std::os::unix::net::UnixListener>,
}

impl KeyLock {
    /// Takes the key. It finds a second process that runs from a copy of the directory, which a
    /// lock inside the directory cannot.
    ///
    /// The lock is a socket name that only somebody with the key can work out. On other systems
    /// than Linux nothing is taken.
    ///
    /// # Errors
    /// [`LockError::KeyInUse`].
    #[cfg(target_os = "linux")]
    pub fn take(key: &SecretKey) -> Result<Self, LockError> {
        use std::os::{
            linux::net::SocketAddrExt as _,
            unix::net::{SocketAddr, UnixListener},
        };
        let name = Digest::of("assay/key-lock/v1", &[key.seed().as_slice()]);
        let bound = SocketAddr::from_abstract_name(format!("assay/{name}"))
            .and_then(|address| UnixListener::bind_addr(&address));
        match bound {
            Ok(listener) => Ok(Self {
                _name: Some(listener),
            }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Err(LockError::KeyInUse(key.public()))
            }
            // A system without such names is no reason not to run.
            Err(_) => Ok(Self { _name: None }),
        }
    }

    /// Takes nothing: this system has no names that the kernel frees.
    ///
    /// # Errors
    /// None.
    #[cfg(not(target_os = "linux"))]
    pub fn take(_key: &SecretKey) -> Result<Self, LockError> {
        Ok(Self {})
    }
}
