//! Bundles: a directory, such as a model, as one vault file.
//!
//! A bundle is a ustar archive with one way to write it: names in byte order, regular files only,
//! every owner and time zero. Equal directories therefore have equal content digests. Reading
//! accepts only what writing produces, byte for byte, and keeps nothing outside memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::ops::Range;

use tar::{Builder, EntryType, Header};

/// Longest file name, in bytes: what one ustar name field holds.
pub const MAX_NAME_BYTES: usize = 100;
/// Most files in one bundle.
pub const MAX_FILES: usize = 4_096;
/// Everything in an archive begins at a multiple of this.
const BLOCK: usize = 512;

/// A bundle could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A name that might lead outside the directory, or is not plain.
    #[error(
        "file name {0:?} is not a plain relative path of at most {MAX_NAME_BYTES} bytes; rename it"
    )]
    Name(String),
    /// Names out of order, repeated, or inside a file as if it were a folder.
    #[error("file {0:?} is repeated, out of byte order, or inside another file")]
    Order(String),
    /// Too many files.
    #[error("a bundle holds at most {MAX_FILES} files")]
    TooManyFiles,
    /// More bytes than the reader was ready to hold.
    #[error("the bundle unpacks to more than {limit} bytes")]
    TooLarge {
        /// The reader's limit.
        limit: u64,
    },
    /// Something else than a regular file.
    #[error("{name:?} is not a regular file; links, devices and folders are not bundled")]
    NotAFile {
        /// The entry's name.
        name: String,
    },
    /// A file ended before, or after, the length given for it.
    #[error("file {name:?} has {found} bytes, not the {expected} announced")]
    Length {
        /// The file's name.
        name: String,
        /// Bytes announced.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// The archive is damaged, or the source or sink failed.
    #[error("the bundle is not readable as an archive")]
    Archive(#[from] io::Error),
}

/// Writes a bundle file by file, in constant memory.
pub struct BundleWriter<W: Write> {
    archive: Builder<W>,
    names: Names,
}

impl<W: Write> BundleWriter<W> {
    /// An empty bundle on its way into `sink`.
    pub fn new(sink: W) -> Self {
        Self {
            archive: Builder::new(sink),
            names: Names::default(),
        }
    }

    /// Adds the next file: `length` bytes of `source` under `name`, with `/` between folders.
    ///
    /// # Errors
    /// [`BundleError`] when the name is not plain or not after the one before, when the source
    /// does not have exactly `length` bytes, or when the sink fails.
    pub fn add(&mut self, name: &str, length: u64, source: impl Read) -> Result<(), BundleError> {
        self.names.admit(name)?;
        let mut counted = Counted { source, bytes: 0 };
        self.archive
            .append(&header(name, length)?, (&mut counted).take(length))?;
        // One byte more than announced is as wrong as one fewer.
        io::copy(&mut (&mut counted).take(1), &mut io::sink())?;
        if counted.bytes != length {
            return Err(BundleError::Length {
                name: name.to_owned(),
                expected: length,
                found: counted.bytes,
            });
        }
        Ok(())
    }

    /// Writes the end mark and gives the sink back.
    ///
    /// # Errors
    /// [`BundleError::Archive`] when the sink fails.
    pub fn finish(self) -> Result<W, BundleError> {
        Ok(self.archive.into_inner()?)
    }
}

/// A bundle of files held in memory.
///
/// # Errors
/// [`BundleError`] when a name is not plain or there are too many files.
pub fn pack(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, BundleError> {
    let mut writer = BundleWriter::new(Vec::new());
    for (name, bytes) in files {
        writer.add(name, bytes.len() as u64, bytes.as_slice())?;
    }
    writer.finish()
}

/// Reads a bundle into memory: at most `max_bytes` of file contents.
///
/// # Errors
/// [`BundleError`] for anything that [`BundleWriter`] would not have written, down to the byte.
pub fn unpack(source: impl Read, max_bytes: u64) -> Result<BTreeMap<String, Vec<u8>>, BundleError> {
    unpack_some(source, max_bytes, |_| true)
}

/// Reads those files of a bundle into memory whose names `keep` wants; the others are read and
/// checked, and not kept.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_some(
    mut source: impl Read,
    max_bytes: u64,
    keep: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>, BundleError> {
    let mut files = BTreeMap::new();
    let mut names = Names::default();
    let mut left = max_bytes;
    // Headers are read one by one and not through `tar::Archive`, which lets extensions rename or
    // resize the next entry and ignores what follows a file or the end mark.
    loop {
        let mut block = [0; BLOCK];
        source.read_exact(&mut block)?;
        if block == [0; BLOCK] {
            break;
        }
        let (name, expected) = entry(&block, &mut names)?;
        left = left
            .checked_sub(expected)
            .ok_or(BundleError::TooLarge { limit: max_bytes })?;
        let mut bytes = Vec::new();
        let mut content = (&mut source).take(expected);
        let found = match keep(&name) {
            true => content.read_to_end(&mut bytes)? as u64,
            false => io::copy(&mut content, &mut io::sink())?,
        };
        if found != expected {
            return Err(BundleError::Length {
                name,
                expected,
                found,
            });
        }
        // Less than a block.
        let padding = found.next_multiple_of(BLOCK as u64) - found;
        zeros(&mut source, padding as usize)?;
        if keep(&name) {
            files.insert(name, bytes);
        }
    }
    zeros(&mut source, BLOCK)?;
    match source.read(&mut [0])? {
        0 => Ok(files),
        _ => Err(damaged("bytes follow its end mark")),
    }
}

/// Where each file lies in a bundle that is held in memory: names and places of their bytes. Nothing
/// is copied, and of the contents nothing is looked at.
///
/// # Errors
/// [`BundleError`] when a header is not one that [`BundleWriter`] writes, or a file ends beyond the
/// bytes.
pub fn list(bytes: &[u8]) -> Result<Vec<(String, Range<usize>)>, BundleError> {
    let mut found = Vec::new();
    let mut names = Names::default();
    let mut at = 0;
    let cut = || damaged("it ends inside a file");
    loop {
        let end = at + BLOCK;
        let block: &[u8; BLOCK] = bytes
            .get(at..end)
            .and_then(|block| block.try_into().ok())
            .ok_or_else(cut)?;
        if block == &[0; BLOCK] {
            return Ok(found);
        }
        let (name, length) = entry(block, &mut names)?;
        let length = usize::try_from(length).ok();
        let place = length.and_then(|length| Some(end..end.checked_add(length)?));
        let place = place
            .filter(|place| place.end <= bytes.len())
            .ok_or_else(cut)?;
        at = place.end.next_multiple_of(BLOCK);
        found.push((name, place));
    }
}

/// Name and length in a header, if it is one that writing produces.
fn entry(block: &[u8; BLOCK], names: &mut Names) -> Result<(String, u64), BundleError> {
    let found = Header::from_byte_slice(block);
    let path = found.path_bytes();
    let name = String::from_utf8(path.to_vec())
        .map_err(|_| BundleError::Name(String::from_utf8_lossy(&path).into_owned()))?;
    if found.entry_type() != EntryType::Regular {
        return Err(BundleError::NotAFile { name });
    }
    names.admit(&name)?;
    let length = found.entry_size()?;
    if header(&name, length)?.as_bytes() != block {
        return Err(damaged("a header says more than a name and a length"));
    }
    Ok((name, length))
}

/// The one header of a file.
fn header(name: &str, length: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(length);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

/// Reads `count` zeros, at most a block.
fn zeros(source: &mut impl Read, count: usize) -> Result<(), BundleError> {
    let mut padding = [0; BLOCK];
    source.read_exact(&mut padding[..count])?;
    if padding != [0; BLOCK] {
        return Err(damaged("its padding is not empty"));
    }
    Ok(())
}

fn damaged(why: &'static str) -> BundleError {
    BundleError::Archive(io::Error::new(io::ErrorKind::InvalidData, why))
}

/// The names so far: in byte order, plain, and none of them a folder of another.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn admit(&mut self, name: &str) -> Result<(), BundleError> {
        if !is_plain(name) {
            return Err(BundleError::Name(name.to_owned()));
        }
        let in_order = self.0.last().is_none_or(|last| last.as_str() < name);
        let under_a_file = name
            .match_indices('/')
            .any(|(end, _)| self.0.contains(&name[..end]));
        if !in_order || under_a_file {
            return Err(BundleError::Order(name.to_owned()));
        }
        if self.0.len() == MAX_FILES {
            return Err(BundleError::TooManyFiles);
        }
        self.0.insert(name.to_owned());
        Ok(())
    }
}

/// Relative, `/` between parts, no empty, `.` or `..` part, no control character, `\` or `:`.
fn is_plain(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && !name.contains(|c: char| c.is_control() || c == '\\' || c == ':')
        && name
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
}

struct Counted<R> {
    source: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
