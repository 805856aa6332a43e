//! A download on its way: pieces as storage nodes gave them, still encrypted.
//!
//! ```text
//! DOWNLOADS/<file id>.<n>.part   record*
//! record                         length: u32 LE | piece
//! ```
//!
//! The manifest comes first, then the slices in order. Nothing in it is believed: whoever reads it
//! compares digests, and cuts it off where something is not what it should be. Two downloads of
//! one file at once take two names. Plaintext is never written here.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use assay_crypto::aead::FileKey;
use assay_ledger::FileId;
use assay_vault::{Expected, MAX_PIECE_BYTES, Piece, UnsealError, Unsealer};

use crate::disk::locked;

/// Ending of the files' names.
const ENDING: &str = "part";

/// Downloads of one file at once.
const AT_ONCE: usize = 4;

/// A file of pieces that this process has to itself.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    file: File,
    /// Where the next record begins, and where the last one read began.
    at: u64,
    before: u64,
}

impl Spool {
    /// Opens the spool of a file in `folder`, with what an earlier download left in it; `None` when
    /// too many are at it.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn open(folder: &Path, file: FileId) -> io::Result<Option<Self>> {
        for n in 0..AT_ONCE {
            let path = folder.join(format!("{file}.{n}.{ENDING}"));
            if let Some(file) = locked::open(&path)? {
                return Ok(Some(Self {
                    path,
                    file,
                    at: 0,
                    before: 0,
                }));
            }
        }
        Ok(None)
    }

    /// Bytes in it.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(super) fn rewind(&mut self) -> io::Result<()> {
        (self.at, self.before) = (0, 0);
        self.file.seek(SeekFrom::Start(0)).map(drop)
    }

    /// The next piece, if a whole one is there.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        let mut length = [0; 4];
        if !fill(&mut self.file, &mut length)? {
            return Ok(None);
        }
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_PIECE_BYTES {
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        if !fill(&mut self.file, &mut bytes)? {
            return Ok(None);
        }
        self.before = self.at;
        self.at += 4 + length as u64;
        Ok(Piece::new(bytes).ok())
    }

    /// The piece read last is not what it should be.
    pub(super) fn unread(&mut self) -> io::Result<()> {
        self.at = self.before;
        Ok(())
    }

    /// Forgets everything after what was read.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.at)?;
        self.file.seek(SeekFrom::Start(self.at)).map(drop)
    }

    pub(super) fn push(&mut self, piece: &Piece) -> io::Result<()> {
        self.file.write_all(&(piece.len() as u32).to_le_bytes())?;
        self.file.write_all(piece.bytes())?;
        self.at += 4 + piece.len() as u64;
        Ok(())
    }

    /// The plaintext of the whole file, once everything is here.
    ///
    /// # Errors
    /// What the operating system said, and what does not open.
    pub fn plain(&mut self, expected: &Expected, key: FileKey) -> Result<Plain<'_>, UnsealError> {
        self.rewind()?;
        let manifest = self.next()?.ok_or(UnsealError::OtherManifest)?;
        let unsealer = Unsealer::new(expected, &manifest, key)?;
        Ok(Plain {
            spool: self,
            unsealer: Some(unsealer),
            index: 0,
            slice: Vec::new(),
            at: 0,
        })
    }

    /// Its path, and the file, still locked.
    pub fn into_parts(self) -> (PathBuf, File) {
        (self.path, self.file)
    }

    /// It is over: nothing is left to go on with.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn forget(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// The plaintext in a spool, verified slice by slice.
pub struct Plain<'a> {
    spool: &'a mut Spool,
    unsealer: Option<Unsealer>,
    index: u32,
    slice: Vec<u8>,
    at: usize,
}

impl Plain<'_> {
    fn refill(&mut self) -> io::Result<()> {
        let Some(unsealer) = &mut self.unsealer else {
            return Ok(());
        };
        if unsealer.is_complete() {
            let whole = self.unsealer.take().map(Unsealer::finish);
            return whole.transpose().map(drop).map_err(io::Error::other);
        }
        let piece = self.spool.next()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.slice = unsealer
            .slice(self.index, &piece)
            .map_err(io::Error::other)?;
        self.index += 1;
        self.at = 0;
        Ok(())
    }
}

impl Read for Plain<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.slice.len() && self.unsealer.is_some() {
            self.refill()?;
        }
        let count = (&self.slice[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

/// A download as its file tells it.
#[derive(Clone, Debug)]
pub struct Spooled {
    /// What is fetched.
    pub file: String,
    /// Where the pieces are.
    pub path: PathBuf,
    /// Bytes that are here.
    pub bytes: u64,
    /// Whether a process is at it.
    pub running: bool,
}

/// Every download in a folder.
///
/// # Errors
/// What the operating system said.
pub fn list(folder: &Path) -> io::Result<Vec<Spooled>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let parts: Vec<&str> = name.unwrap_or_default().split('.').collect();
        let &[file, _, ENDING] = parts.as_slice() else {
            continue;
        };
        let running = match locked::open_existing(&path) {
            Ok(file) => file.is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        found.push(Spooled {
            file: file.to_owned(),
            bytes: fs::metadata(&path)?.len(),
            path,
            running,
        });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Reads until `buffer` is full; false at the end of the file.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
