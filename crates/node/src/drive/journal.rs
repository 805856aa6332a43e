//! A party's memory on disk: entries appended, each durable before it is acted upon, and sealed
//! under the account's key: an auditor's salt and results stay secret until they are revealed, and a
//! conversation's letters and seed for ever.
//!
//! ```text
//! file  = "ASJOURN" | version, 2 | salt: 32 random bytes | entry*
//! entry = head | body
//! head  = length of the body: u32 LE | 16 random bytes | check: 8 bytes
//! body  = ChaCha20-Poly1305 of what was written, nonce the entry's index, with the chain before it
//!
//! K     = H(key of the account for this journal, salt)
//! c_0   = H(salt)                    c_n = H(c_{n-1}, entry n)
//! check = H(K, c_{n-1}, length, random)        key of the body = H(K, c_{n-1}, random)
//! ```
//!
//! Whatever is altered, moved, taken from another journal or another account's is refused, and
//! nobody goes on from it. What merely ends early is cut off behind the last whole entry: a crash
//! can leave the last one half-written, and it was not acted upon yet. An end that was cut off on
//! purpose, or an older copy of the whole file, looks the same; it shows where the journal's
//! [`Head`] is known.

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use assay_crypto::{
    Digest, SecretKey,
    aead::{self, FileKey},
};

/// Longest entry, in bytes.
const MAX_ENTRY: usize = 16 << 20;

const MAGIC: [u8; 8] = *b"ASJOURN\x02";
/// Bytes before the entries.
const OPENING: usize = MAGIC.len() + 32;
/// Bytes before an entry's body.
const HEAD: usize = 4 + 16 + 8;

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
    file: File,
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
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        // One of an older version may be open to all.
        #[cfg(unix)]
        if crate::keys::exposed(&file.metadata()?).is_some() {
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        }
        Self::on(file, path, key, known)
    }

    /// [`Self::open`] for a file that is open already, for reading and appending.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn on(
        mut file: File,
        path: &Path,
        key: JournalKey,
        known: Option<Head>,
    ) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let contents = Contents::read(&bytes, &key, known)?;
        let Some(Contents {
            entries,
            whole,
            seal,
        }) = contents
        else {
            // It was never begun, or a crash came between.
            return Ok((Self::anew(file, path, key)?, Vec::new()));
        };
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
            file.sync_data()?;
        }
        let journal = Self {
            path: path.to_owned(),
            file,
            key,
            seal,
        };
        Ok((journal, entries))
    }

    /// Begins anew, whatever a file holds that is open for reading and appending.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn anew(file: File, path: &Path, key: JournalKey) -> io::Result<Self> {
        let mut journal = Self {
            path: path.to_owned(),
            file,
            seal: Seal::new(&key, &[0; 32]),
            key,
        };
        journal.clear()?;
        Ok(journal)
    }

    /// The whole entries of a journal that somebody else may be writing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn peek(path: &Path, key: &JournalKey) -> io::Result<Vec<Vec<u8>>> {
        let contents = Contents::read(&fs::read(path)?, key, None)?;
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
        self.file.set_len(0)?;
        self.file.write_all(&[&MAGIC[..], &salt].concat())?;
        self.file.sync_data()?;
        self.seal = Seal::new(&self.key, &salt);
        Ok(())
    }

    /// Appends an entry; it is on disk when this returns.
    ///
    /// # Errors
    /// What the operating system said, or an entry above the size limit.
    pub fn append(&mut self, entry: &[u8]) -> io::Result<()> {
        if entry.len() > MAX_ENTRY {
            return Err(io::Error::other(format!(
                "a journal entry of {} bytes for {}",
                entry.len(),
                self.path.display()
            )));
        }
        let mut next = self.seal.clone();
        let record = next.seal(entry, random()?)?;
        self.file.write_all(&record)?;
        self.file.sync_data()?;
        self.seal = next;
        Ok(())
    }
}

/// What a file holds; nothing in one that was not begun.
struct Contents {
    entries: Vec<Vec<u8>>,
    /// Bytes of the opening and the whole entries.
    whole: usize,
    seal: Seal,
}

impl Contents {
    fn read(
        bytes: &[u8],
        key: &JournalKey,
        known: Option<Head>,
    ) -> Result<Option<Self>, JournalFault> {
        let lacks = |found: u64| match known {
            Some(Head { entries: known, .. }) if found < known => {
                Err(JournalFault::Old { found, known })
            }
            _ => Ok(()),
        };
        let Some((opening, _)) = bytes.split_first_chunk::<OPENING>() else {
            let begun = MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]);
            return match begun || is_blank(bytes) {
                true => lacks(0).map(|()| None),
                false => Err(JournalFault::NotAJournal),
            };
        };
        let (magic, salt) = opening.split_at(MAGIC.len());
        if magic != MAGIC {
            return match is_blank(bytes) {
                true => lacks(0).map(|()| None),
                false => Err(JournalFault::NotAJournal),
            };
        }
        let mut found = Self {
            entries: Vec::new(),
            whole: OPENING,
            seal: Seal::new(key, salt),
        };
        loop {
            let head = found.seal.head;
            if known.is_some_and(|known| known.entries == head.entries && known != head) {
                return Err(JournalFault::Forked(head.entries));
            }
            let Some((entry, length)) = found.seal.open(&bytes[found.whole..])? else {
                break;
            };
            found.entries.push(entry);
            found.whole += length;
        }
        lacks(found.seal.head.entries).map(|()| Some(found))
    }
}

/// What the next entry is sealed with.
#[derive(Clone, Debug)]
struct Seal {
    key: FileKey,
    head: Head,
}

impl Seal {
    fn new(key: &JournalKey, salt: &[u8]) -> Self {
        Self {
            key: FileKey(Digest::of("assay/journal key/v2", &[&key.0.0, salt]).0),
            head: Head {
                entries: 0,
                chain: Digest::of("assay/journal/v2", &[salt]),
            },
        }
    }

    /// The bytes of the next entry.
    fn seal(&mut self, entry: &[u8], random: [u8; 32]) -> io::Result<Vec<u8>> {
        let (random, _) = random.split_at(16);
        let length = ((entry.len() + aead::OVERHEAD) as u32).to_le_bytes();
        let mut record = Vec::with_capacity(HEAD + entry.len() + aead::OVERHEAD);
        record.extend(length);
        record.extend(random);
        record.extend(self.check(&length, random));
        let (key, Head { entries, chain }) = (self.body_key(random), self.head);
        let body = aead::encrypt(&key, entries, &chain.0, entry);
        record.extend(body.map_err(io::Error::other)?);
        self.advance(&record);
        Ok(record)
    }

    /// The next entry and the bytes it takes, from bytes that begin with it; nothing where they end
    /// before it does.
    fn open(&mut self, bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, JournalFault> {
        let Head { entries, chain } = self.head;
        let altered = JournalFault::Altered(entries);
        let Some((head, rest)) = bytes.split_at_checked(HEAD) else {
            return Ok(None);
        };
        let (length, more) = head.split_at(4);
        let (random, check) = more.split_at(16);
        if self.check(length, random) != check {
            // A file may have grown before its last bytes came.
            return if is_blank(rest) {
                Ok(None)
            } else {
                Err(altered)
            };
        }
        let length = length
            .iter()
            .rev()
            .fold(0, |n, byte| n << 8 | usize::from(*byte));
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let Ok(entry) = aead::decrypt(&self.body_key(random), entries, &chain.0, body) else {
            let tag = length.saturating_sub(aead::OVERHEAD);
            let missing = is_blank(&rest[tag..]);
            return if missing { Ok(None) } else { Err(altered) };
        };
        let taken = HEAD + length;
        self.advance(&bytes[..taken]);
        Ok(Some((entry, taken)))
    }

    fn check(&self, length: &[u8], random: &[u8]) -> [u8; 8] {
        let parts = [&self.key.0[..], &self.head.chain.0, length, random];
        let mut check = [0; 8];
        check.copy_from_slice(&Digest::of("assay/journal check/v2", &parts).0[..8]);
        check
    }

    fn body_key(&self, random: &[u8]) -> FileKey {
        let parts = [&self.key.0[..], &self.head.chain.0, random];
        FileKey(Digest::of("assay/journal entry key/v2", &parts).0)
    }

    fn advance(&mut self, record: &[u8]) {
        self.head = Head {
            entries: self.head.entries + 1,
            chain: Digest::of("assay/journal entry/v2", &[&self.head.chain.0, record]),
        };
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn random() -> io::Result<[u8; 32]> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(random)
}
