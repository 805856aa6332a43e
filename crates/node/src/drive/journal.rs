//! A party's memory on disk: entries appended, each durable before it is acted upon.
//!
//! ```text
//! file  = entry*
//! entry = length: u32 LE | checksum: first 8 bytes of BLAKE3(entry) | bytes
//! ```
//!
//! Only its owner can read it: an auditor's salt and results must stay secret until they are
//! revealed.
//!
//! A crash can leave only the last entry half-written; it was not acted upon yet, so opening the
//! journal cuts it off.

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use assay_crypto::Digest;

/// Longest entry, in bytes; a longer length field is a torn write.
const MAX_ENTRY: usize = 16 << 20;

const HEAD: usize = 12;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens or creates the journal and returns its whole entries, oldest first.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<Vec<u8>>)> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        // What it holds is nobody else's business before it is on the chain.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        // One of an older version may be open to all.
        #[cfg(unix)]
        if crate::keys::exposed(&file.metadata()?).is_some() {
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        }
        Self::on(file, path)
    }

    /// [`Self::open`] for a file that is open already, for reading and appending.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn on(mut file: File, path: &Path) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let (entries, whole) = split(&bytes);
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
            file.sync_data()?;
        }
        Ok((
            Self {
                path: path.to_owned(),
                file,
            },
            entries,
        ))
    }

    /// The whole entries of a journal that somebody else may be writing.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn peek(path: &Path) -> io::Result<Vec<Vec<u8>>> {
        Ok(split(&fs::read(path)?).0)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets every entry.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.sync_data()
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
        let mut record = Vec::with_capacity(HEAD + entry.len());
        record.extend((entry.len() as u32).to_le_bytes());
        record.extend(checksum(entry));
        record.extend(entry);
        self.file.write_all(&record)?;
        self.file.sync_data()
    }
}

/// Whole entries and the number of bytes they take.
fn split(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let mut entries = vec![];
    let mut at = 0;
    while let Some((head, rest)) = bytes[at..].split_first_chunk::<HEAD>() {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        match rest.get(..length) {
            Some(entry) if length <= MAX_ENTRY && checksum(entry)[..] == head[4..] => {
                entries.push(entry.to_vec());
                at += HEAD + length;
            }
            _ => break,
        }
    }
    (entries, at)
}

fn checksum(entry: &[u8]) -> [u8; 8] {
    let mut sum = [0; 8];
    sum.copy_from_slice(&Digest::of("assay/journal/v1", &[entry]).0[..8]);
    sum
}
