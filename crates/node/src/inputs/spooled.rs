//! One input in a file of sealed pieces.

use std::{
    any::Any,
    ffi::OsString,
    fmt,
    fs::{self, File},
    io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::FileExt,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use assay_crypto::{Digest, ReadAt, aead::FileKey};
use assay_ledger::{FileId, FileRecord};
use assay_vault::{Coding, Expected, InPlace, MAX_PIECE_BYTES, Opened, Piece, Pieces, UnsealError};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::files::spool::Spool;

/// Bytes before each piece: its length.
const HEAD: u64 = 4;

/// The pieces in a spool, each behind its length: the manifest's, then those of the slices.
struct SpoolPieces {
    file: File,
    /// Where the first slice's record begins.
    first: u64,
}

impl SpoolPieces {
    /// The pieces in `file`, and the manifest's.
    fn open(file: File) -> io::Result<(Self, Piece)> {
        let manifest = piece_at(&file, 0)?;
        let first = HEAD + manifest.len() as u64;
        Ok((Self { file, first }, manifest))
    }
}

impl Pieces for SpoolPieces {
    fn piece(&self, index: u32) -> io::Result<Piece> {
        // All slices but the last are equally long.
        let record = HEAD + MAX_PIECE_BYTES as u64;
        piece_at(&self.file, self.first + u64::from(index) * record)
    }
}

fn piece_at(file: &File, at: u64) -> io::Result<Piece> {
    let mut length = [0; HEAD as usize];
    file.read_exact_at(&mut length, at)?;
    let length = u32::from_le_bytes(length) as usize;
    let damaged = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    if length > MAX_PIECE_BYTES {
        return Err(damaged(format!("it claims a piece of {length} bytes")));
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at + HEAD)?;
    Piece::new(bytes).map_err(|error| damaged(error.to_string()))
}

/// An input in a spool, whose file goes with it once no order needs it.
pub struct Spooled {
    path: PathBuf,
    expected: Expected,
    key: FileKey,
    content: Digest,
    coding: Coding,
    manifest: Piece,
    plain: InPlace<SpoolPieces>,
    discarded: AtomicBool,
}

impl Spooled {
    /// A spool that holds all of the file that `record` describes, whose content was found to have
    /// this digest. The spool's lock is kept.
    ///
    /// # Errors
    /// What the operating system said.
    pub(super) fn new(
        spool: Spool,
        record: &FileRecord,
        key: FileKey,
        content: Digest,
    ) -> io::Result<Self> {
        let (path, file) = spool.into_parts();
        Self::read(path, file, record.into(), key, content)
    }

    fn read(
        path: PathBuf,
        file: File,
        expected: Expected,
        key: FileKey,
        content: Digest,
    ) -> io::Result<Self> {
        let (pieces, manifest) = SpoolPieces::open(file)?;
        let opened = Opened::new(&expected, &manifest, key.clone()).map_err(io::Error::other)?;
        if opened.manifest().content != content {
            return Err(io::Error::other("its manifest names another content"));
        }
        Ok(Self {
            path,
            expected,
            key,
            content,
            coding: opened.manifest().coding,
            manifest,
            plain: InPlace::new(opened, pieces),
            discarded: AtomicBool::new(false),
        })
    }

    /// Whether this key opens it, too.
    ///
    /// # Errors
    /// [`UnsealError`] when it does not.
    pub(super) fn opens_with(&self, key: &FileKey) -> Result<(), UnsealError> {
        Opened::new(&self.expected, &self.manifest, key.clone()).map(drop)
    }

    /// How its slices became pieces, which is part of what its name says.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// The digest of its content.
    pub(super) fn content(&self) -> Digest {
        self.content
    }

    /// No order needs it any more: the file is removed with the last handle on it.
    pub(super) fn discard(&self) {
        self.discarded.store(true, Ordering::Relaxed);
    }

    /// An order needs it again.
    pub(super) fn keep(&self) {
        self.discarded.store(false, Ordering::Relaxed);
    }

    /// What another process of this machine needs to read it.
    pub fn passage(&self) -> io::Result<Passage> {
        let path = fs::canonicalize(&self.path)?;
        Ok(Passage {
            path: path.into_os_string().into_vec(),
            file: self.expected.id,
            root: self.expected.root,
            slices: self.expected.slices,
            length_class: self.expected.length_class,
            key: self.key.0,
            content: self.content,
        })
    }
}

impl ReadAt for Spooled {
    fn length(&self) -> u64 {
        self.plain.length()
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.plain.read_at(at, out)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if self.discarded.load(Ordering::Relaxed) {
            // What stays is swept at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// How a worker reads an input: where its pieces lie, and the key that opens them.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Passage {
    /// Absolute path of the spool.
    pub path: Vec<u8>,
    /// The file's id.
    pub file: FileId,
    /// Merkle root over its slices.
    pub root: Digest,
    /// How many they are.
    pub slices: u32,
    /// The class of its length.
    pub length_class: u64,
    /// Its key.
    pub key: [u8; 32],
    /// The digest of its content.
    pub content: Digest,
}

impl Passage {
    /// Opens the spool for reading.
    ///
    /// # Errors
    /// When it cannot be read, or is of another file.
    pub fn open(self) -> io::Result<Spooled> {
        let path = PathBuf::from(OsString::from_vec(self.path));
        let file = File::open(&path)?;
        let expected = Expected {
            id: self.file,
            root: self.root,
            slices: self.slices,
            length_class: self.length_class,
        };
        Spooled::read(path, file, expected, FileKey(self.key), self.content)
    }
}

/// The key is secret.
impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = Path::new(std::ffi::OsStr::from_bytes(&self.path));
        f.debug_struct("Passage")
            .field("path", &path)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
