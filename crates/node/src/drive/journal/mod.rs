//! A party's memory on disk: entries appended, each durable before it is acted upon, and sealed
//! under the account's key: an auditor's salt and results stay secret until they are revealed, and a
//! conversation's letters and seed for ever.
//!
//! Whatever is altered, moved, taken from another journal or another account's is refused, and
//! nobody goes on from it. What merely ends early is cut off behind the last whole entry: a crash
//! can leave the last one half-written, and it was not acted upon yet. An end that was cut off on
//! purpose, or an older copy of the whole file, looks the same; it shows where the journal's
//! [`Head`] is known.

mod format;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
};

use assay_crypto::{Digest, SecretKey, aead::FileKey};

use self::format::{Contents, HEAD, MAGIC, OPENING, SECTOR, Seal};
use crate::disk::{Files, Log, System, sync_names};

/// Longest entry, in bytes.
const MAX_ENTRY: usize = 16 << 20;

/// What one account seals one journal with.
#[derive(Clone)]
pub struct JournalKey(FileKey);

impl JournalKey {
    /// The key for the journal called `name`. Two journals of an account have two names, so neither
    /// can be put in the other's place.
    pub fn new(account: &SecretKey, name: &str) -> Self {
        let root = FileKey::derive(&account.seed(), "journals", 0);
        Self(FileKey::derive(&root.0, name, 0))
    }
}

impl std::fmt::Debug for JournalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JournalKey")
    }
}

/// How long a journal is, and what it says: a digest from which nothing of it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Entries.
    pub entries: u64,
    /// The chain over them.
    pub chain: Digest,
}

/// Why a journal is refused, inside an [`io::Error`] of the kind
/// [`InvalidData`](io::ErrorKind::InvalidData).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalFault {
    /// Another file, or one of another version.
    #[error("it is no journal of version 2")]
    NotAJournal,
    /// An entry that was not written there.
    #[error(
        "entry {0} was altered, moved, or written by another account; restore the journal as it was"
    )]
    Altered(u64),
    /// It ends before an entry that it is known to have had.
    #[error(
        "it has {found} entries and is known to have had {known}; it was cut off, or restored from \
         an old copy"
    )]
    Old {
        /// In the file.
        found: u64,
        /// Known.
        known: u64,
    },
    /// Another history than the known one.
    #[error("its first {0} entries are not those that it is known to have had")]
    Forked(u64),
}

impl From<JournalFault> for io::Error {
    fn from(fault: JournalFault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Box<dyn Log>,
    /// Bytes of the opening and the entries.
    length: usize,
    /// Whether a write failed: something of it may be behind the entries.
    is_broken: bool,
    key: JournalKey,
    seal: Seal,
}

impl Journal {
    /// Opens or creates the journal and returns its whole entries, oldest first. `known` is a head
    /// that it has had.
    ///
    /// # Errors
    /// What the operating system said, or a [`JournalFault`].
    pub fn open(
        path: &Path,
        key: JournalKey,
        known: Option<Head>,
    ) -> io::Result<(Self, Vec<Vec<u8>>)> {
        Self::open_on(&System, path, key, known)
    }

    /// [`Self::open`] on any files.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(
        files: &dyn Files,
        path: &Path,
        key: JournalKey,
        known: Option<Head>,
    ) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let file = files.log(path)?;
        sync_names(files, path)?;
        Self::on(file, path, key, known)
    }

    /// [`Self::open`] for a file that is open already, and whose name is durable.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn on(
        mut file: Box<dyn Log>,
        path: &Path,
        key: JournalKey,
        known: Option<Head>,
    ) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let bytes = file.read()?;
        let contents = Contents::read(&bytes, &key, known)?;
        Self::with(contents, bytes.len(), file, path, key)
    }

    /// [`Self::on`] for what can be done without: a file that holds something else is begun anew.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn on_or_anew(
        mut file: Box<dyn Log>,
        path: &Path,
        key: JournalKey,
    ) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let bytes = file.read()?;
        let contents = Contents::read(&bytes, &key, None).unwrap_or(None);
        Self::with(contents, bytes.len(), file, path, key)
    }

    fn with(
        contents: Option<Contents>,
        length: usize,
        file: Box<dyn Log>,
        path: &Path,
        key: JournalKey,
    ) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let mut journal = Self {
            path: path.to_owned(),
            file,
            length,
            is_broken: false,
            seal: Seal::new(&key, &[0; 32]),
            key,
        };
        let Some(contents) = contents else {
            // It was never begun, or a crash came between.
            journal.clear()?;
            return Ok((journal, Vec::new()));
        };
        if contents.whole < length {
            journal.file.truncate(contents.whole as u64)?;
        }
        // Whoever wrote the last entry may have been killed before it was on the disk.
        journal.file.sync()?;
        journal.length = contents.whole;
        journal.seal = contents.seal;
        Ok((journal, contents.entries))
    }

    /// The whole entries of a journal that somebody else may be writing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn peek(path: &Path, key: &JournalKey) -> io::Result<Vec<Vec<u8>>> {
        Self::peek_on(&System, path, key)
    }

    /// [`Self::peek`] on any files.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn peek_on(files: &dyn Files, path: &Path, key: &JournalKey) -> io::Result<Vec<Vec<u8>>> {
        let contents = Contents::read(&files.read(path)?, key, None)?;
        Ok(contents.map_or_else(Vec::new, |contents| contents.entries))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to know it by later.
    pub fn head(&self) -> Head {
        self.seal.head
    }

    /// Forgets every entry.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn clear(&mut self) -> io::Result<()> {
        let salt = random()?;
        self.is_broken = true;
        self.file.truncate(0)?;
        self.file.append(&[&MAGIC[..], &salt].concat())?;
        self.file.sync()?;
        self.seal = Seal::new(&self.key, &salt);
        self.length = OPENING;
        self.is_broken = false;
        Ok(())
    }

    /// Appends an entry; it is on disk when this returns. After an error nothing more is appended:
    /// whether the entry is there shows when the journal is opened again.
    ///
    /// # Errors
    /// What the operating system said, or an entry above the size limit.
    pub fn append(&mut self, entry: &[u8]) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("an earlier entry could not be written"));
        }
        if entry.len() > MAX_ENTRY {
            return Err(io::Error::other(format!(
                "a journal entry of {} bytes for {}",
                entry.len(),
                self.path.display()
            )));
        }
        let mut next = self.seal.clone();
        let record = next.seal(entry, random()?)?;
        let end = self.length + record.len();
        let (head, body) = match self.length / SECTOR == (end - 1) / SECTOR {
            true => (&[][..], &record[..]),
            false => record.split_at(HEAD),
        };
        self.is_broken = true;
        for part in [head, body] {
            if !part.is_empty() {
                self.file.append(part)?;
                self.file.sync()?;
            }
        }
        self.is_broken = false;
        self.length = end;
        self.seal = next;
        Ok(())
    }
}

fn random() -> io::Result<[u8; 32]> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(random)
}
