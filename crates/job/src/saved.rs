//! A run's state on disk, whole or not at all.
//!
//! ```text
//! 0   8   "ASSAYSR" and a zero byte
//! 8   8   version, 2
//! 16  32  which run (`run_digest`)
//! 48  8   number of leaves n: steps done, and one
//! 56  32n trace leaves of the states so far
//! ..  8   the first step that could not be taken; 0 if there is none
//! ..  4   length m of the reason, at most 1024; 0 if there is none
//! ..  m   the reason, UTF-8
//! ..  8   length of the state
//! ..      the state, as the run encodes it
//! ..  32  BLAKE3 of everything before, in its own domain
//! ```
//!
//! A new file, `NAME.state`, is written aside, synced and renamed over the old one, so a kill at any moment leaves
//! one of the two.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use assay_crypto::Digest;

const MAGIC: &[u8; 8] = b"ASSAYSR\0";
const VERSION: u64 = 2;
const HEADER: usize = 56;
/// Most leaves: those of the longest job.
const MAX_LEAVES: u64 = 10_000_001;
/// Longest file that is read, in bytes. What a machine trained it can also hold.
const MAX_FILE: u64 = 1 << 38;
/// Longest reason, in bytes.
const MAX_REASON: usize = 1024;

/// A step that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which, counted from 1.
    pub step: u64,
    /// Why: operator, projection and place of the first NaN or infinity, where they are known.
    pub reason: String,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Which run.
    pub run: Digest,
    /// Trace leaves of the states so far, the first state's first; never empty.
    pub leaves: Vec<Digest>,
    /// The first step that could not be taken.
    pub fault: Option<Fault>,
    /// The last state, encoded.
    pub state: Vec<u8>,
}

/// Bytes that are no saved run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSaved {
    /// Another kind of file, or another version.
    #[error("it is no saved run of this version")]
    Kind,
    /// The bytes were changed, or end early or late.
    #[error("it is damaged")]
    Damaged,
}

impl Saved {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (step, reason) = match &self.fault {
            Some(fault) => (fault.step, fault.reason.as_str()),
            None => (0, ""),
        };
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
        let length = HEADER + 32 * self.leaves.len() + 52 + reason.len() + self.state.len();
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.run.0);
        out.extend_from_slice(&(self.leaves.len() as u64).to_le_bytes());
        for leaf in &self.leaves {
            out.extend_from_slice(&leaf.0);
        }
        out.extend_from_slice(&step.to_le_bytes());
        out.extend_from_slice(&(reason.len() as u32).to_le_bytes());
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(&(self.state.len() as u64).to_le_bytes());
        out.extend_from_slice(&self.state);
        let sum = checksum(&out);
        out.extend_from_slice(&sum.0);
        out
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`BadSaved`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadSaved> {
        let (head, rest) = bytes.split_first_chunk::<HEADER>().ok_or(BadSaved::Kind)?;
        let number = |bytes: &[u8]| {
            let bytes = bytes.iter().rev();
            bytes.fold(0u64, |n, byte| n << 8 | u64::from(*byte))
        };
        if head[..8] != *MAGIC || number(&head[8..16]) != VERSION {
            return Err(BadSaved::Kind);
        }
        let damaged = || BadSaved::Damaged;
        let (body, sum) = bytes.split_last_chunk::<32>().ok_or_else(damaged)?;
        if checksum(body).0 != *sum {
            return Err(BadSaved::Damaged);
        }
        let count = number(&head[48..56]);
        if !(1..=MAX_LEAVES).contains(&count) {
            return Err(BadSaved::Damaged);
        }
        let (leaves, rest) = rest
            .split_at_checked(32 * count as usize)
            .ok_or_else(damaged)?;
        let (step, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_REASON {
            return Err(BadSaved::Damaged);
        }
        let (reason, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let reason = std::str::from_utf8(reason).map_err(|_| damaged())?;
        let fault = match number(step) {
            0 if reason.is_empty() => None,
            0 => return Err(BadSaved::Damaged),
            step => Some(Fault {
                step,
                reason: reason.to_owned(),
            }),
        };
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let state = rest.len().checked_sub(32).ok_or_else(damaged)?;
        if number(length) != state as u64 {
            return Err(BadSaved::Damaged);
        }
        let (leaves, _) = leaves.as_chunks::<32>();
        Ok(Self {
            run: Digest(std::array::from_fn(|i| head[16 + i])),
            leaves: leaves.iter().map(|leaf| Digest(*leaf)).collect(),
            fault,
            state: rest[..state].to_vec(),
        })
    }
}

fn checksum(bytes: &[u8]) -> Digest {
    Digest::of("assay/split-saved/v1", &[bytes])
}

/// Why a run's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process works there.
    #[error("another process trains into {0}; wait for it, or name another folder with --out")]
    Busy(PathBuf),
    /// The saved state is of another run.
    #[error(
        "{0} is the unfinished run of another job, seed, model, data or version: it cannot be gone on from here; name another folder with --out, or delete it"
    )]
    OtherRun(PathBuf),
    /// The saved state cannot be read.
    #[error("{path} cannot be gone on from; delete it to begin again")]
    Bad {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BadSaved,
    },
    /// The system refused.
    #[error("cannot keep the run's state in {path}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The folder of a run, held by this process alone.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    names: Names,
    /// The system lets go of it when this process ends, however it ends.
    _lock: File,
}

/// The files of a store.
#[derive(Clone, Debug)]
struct Names {
    state: PathBuf,
    aside: PathBuf,
    lock: PathBuf,
}

impl Names {
    fn new(folder: &Path, name: &str) -> Self {
        let [state, aside, lock] = Store::files(name).map(|file| folder.join(file));
        Self { state, aside, lock }
    }
}

impl Store {
    /// The names of all files that a store called `name` may have in its folder: the state, the
    /// next state while it is written, and the lock.
    pub fn files(name: &str) -> [String; 3] {
        let file = |rest: &str| format!("{name}.{rest}");
        [file("state"), file("state.new"), file("lock")]
    }

    /// How many steps are done, as the head of a folder's state of that name says; none where no state
    /// of this kind lies there. Nothing else of the file is looked at.
    pub fn steps_done(folder: &Path, name: &str) -> Option<u64> {
        let mut head = [0; HEADER];
        let file = File::open(Names::new(folder, name).state);
        file.and_then(|mut file| file.read_exact(&mut head)).ok()?;
        let (before, leaves) = head.split_last_chunk::<8>()?;
        let is_state = before.starts_with(MAGIC) && before[8..16] == VERSION.to_le_bytes();
        u64::from_le_bytes(*leaves)
            .checked_sub(1)
            .filter(|_| is_state)
    }

    /// Opens the store called `name` in a folder, creating both if needed.
    ///
    /// # Errors
    /// When another process has it, or the system refuses.
    pub fn open(folder: &Path, name: &str) -> Result<Self, StoreError> {
        let names = Names::new(folder, name);
        let io = |source| StoreError::Io {
            path: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(io)?;
        let lock = loop {
            let lock = File::create(&names.lock).map_err(io)?;
            match lock.try_lock() {
                // A finished run removes its lock: what was locked may no longer be what lies there.
                Ok(()) if is_at(&lock, &names.lock) => break lock,
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(StoreError::Busy(folder.to_owned())),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        };
        Ok(Self {
            folder: folder.to_owned(),
            names,
            _lock: lock,
        })
    }

    /// Forgets the run: removes every file of the store.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove(self) -> Result<(), StoreError> {
        for file in [&self.names.state, &self.names.aside, &self.names.lock] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.io(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where the run stands; `None` before its first step.
    ///
    /// # Errors
    /// When what is there belongs to another run or cannot be read.
    pub fn load(&self, run: &Digest) -> Result<Option<Saved>, StoreError> {
        let path = self.names.state.clone();
        let size = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|e| self.io(e))?.len(),
        };
        let bad = |source| StoreError::Bad {
            path: path.clone(),
            source,
        };
        if size > MAX_FILE {
            return Err(bad(BadSaved::Damaged));
        }
        let bytes = fs::read(&path).map_err(|e| self.io(e))?;
        let saved = Saved::decode(&bytes).map_err(bad)?;
        if saved.run != *run {
            return Err(StoreError::OtherRun(path));
        }
        Ok(Some(saved))
    }

    /// Replaces what is there; it is on disk when this returns.
    ///
    /// # Errors
    /// When the system refuses; what was there before stays.
    pub fn save(&self, saved: &Saved) -> Result<(), StoreError> {
        let write = || {
            let mut file = File::create(&self.names.aside)?;
            file.write_all(&saved.encode())?;
            file.sync_all()?;
            fs::rename(&self.names.aside, &self.names.state)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|e| self.io(e))
    }

    fn io(&self, source: io::Error) -> StoreError {
        StoreError::Io {
            path: self.folder.clone(),
            source,
        }
    }
}

/// Whether an open file is the one that has this name now.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Where an open file cannot be removed, it is.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
#[path = "saved_tests.rs"]
mod tests;
