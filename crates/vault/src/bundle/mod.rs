//! Bundles: a directory, such as a model, as one vault file.
//!
//! A bundle is a ustar archive with one way to write it: entries in byte order of their names,
//! every owner and time zero. Equal directories therefore have equal content digests. Reading
//! accepts only what writing produces, byte for byte.
//!
//! Entries are regular files. A folder has an entry of its own only where the files alone would
//! not bring it back: when it is empty, or when its permissions are not 0755. Version 1 of the
//! format had neither folders nor permissions; its archives are read as before, and [`pack`] and
//! [`unpack`], which jobs use, still write and read nothing else.

mod header;
mod layout;
mod names;
mod read;

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

pub use header::Entry;
pub use layout::{Layout, Spot};
pub use names::{MAX_ENTRIES, MAX_NAME_BYTES, Names, is_plain};
pub use read::BundleReader;

/// Everything in an archive begins at a multiple of this.
pub const BLOCK: usize = 512;
/// Zeros that end an archive.
pub const END: usize = 2 * BLOCK;
/// Permissions of a file for which nothing else is recorded.
pub const FILE_MODE: u32 = 0o644;
/// Permissions of a folder for which nothing else is recorded.
pub const FOLDER_MODE: u32 = 0o755;
/// Name of the bundled directory itself, whose entry there is only to give its permissions.
pub const ROOT: &str = "./";

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
    #[error("a bundle holds at most {MAX_ENTRIES} files")]
    TooManyFiles,
    /// More bytes than the reader was ready to hold.
    #[error("the bundle unpacks to more than {limit} bytes")]
    TooLarge {
        /// The reader's limit.
        limit: u64,
    },
    /// Something else than a regular file, or than a folder where folders are read.
    #[error("{name:?} is not a regular file; links and devices are not bundled")]
    NotAFile {
        /// The entry's name.
        name: String,
    },
    /// Bits other than read, write and execute.
    #[error("{name:?} has permissions {mode:o}; only read, write and execute are bundled")]
    Mode {
        /// The entry's name.
        name: String,
        /// Its permissions.
        mode: u32,
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

/// Zeros between the end of `length` bytes of content and the next entry.
pub fn padding(length: u64) -> usize {
    let over = (length % BLOCK as u64) as usize;
    (BLOCK - over) % BLOCK
}

/// Writes a bundle entry by entry, in constant memory.
pub struct BundleWriter<W: Write> {
    sink: W,
    names: Names,
}

impl<W: Write> BundleWriter<W> {
    /// An empty bundle on its way into `sink`.
    pub fn new(sink: W) -> Self {
        Self {
            sink,
            names: Names::default(),
        }
    }

    /// Adds the next entry, whose content is all of `source`.
    ///
    /// # Errors
    /// [`BundleError`] when the name is not plain or not after the one before, when the source
    /// does not have exactly the entry's length, or when the sink fails.
    pub fn add(&mut self, entry: &Entry, mut source: impl Read) -> Result<(), BundleError> {
        self.names.admit(entry)?;
        self.sink.write_all(&entry.header()?)?;
        let mut found = io::copy(&mut (&mut source).take(entry.length), &mut self.sink)?;
        // One byte more than announced is as wrong as one fewer.
        found += io::copy(&mut source.take(1), &mut io::sink())?;
        if found != entry.length {
            return Err(BundleError::Length {
                name: entry.name.clone(),
                expected: entry.length,
                found,
            });
        }
        self.sink.write_all(&[0; BLOCK][..padding(entry.length)])?;
        Ok(())
    }

    /// Writes the end mark and gives the sink back.
    ///
    /// # Errors
    /// [`BundleError::Archive`] when the sink fails.
    pub fn finish(mut self) -> Result<W, BundleError> {
        self.sink.write_all(&[0; END])?;
        Ok(self.sink)
    }
}

/// A bundle of files held in memory, all with the usual permissions.
///
/// # Errors
/// [`BundleError`] when a name is not plain or there are too many files.
pub fn pack(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, BundleError> {
    let mut writer = BundleWriter::new(Vec::new());
    for (name, bytes) in files {
        let entry = Entry::file(name, bytes.len() as u64);
        if entry.is_folder() {
            return Err(BundleError::Name(entry.name));
        }
        writer.add(&entry, bytes.as_slice())?;
    }
    writer.finish()
}

/// Reads a bundle into memory: at most `max_bytes` of file contents.
///
/// # Errors
/// [`BundleError`] for anything that [`pack`] would not have written, down to the byte.
pub fn unpack(source: impl Read, max_bytes: u64) -> Result<BTreeMap<String, Vec<u8>>, BundleError> {
    unpack_some(source, max_bytes, |_| true)
}

/// Reads those files of a bundle into memory whose names `keep` wants; the others are read and
/// checked, and not kept.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_some(
    source: impl Read,
    max_bytes: u64,
    keep: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>, BundleError> {
    let mut files = BTreeMap::new();
    let mut reader = BundleReader::new(source);
    let mut left = max_bytes;
    while let Some(entry) = reader.next_entry()? {
        let entry = basic(entry)?;
        left = left
            .checked_sub(entry.length)
            .ok_or(BundleError::TooLarge { limit: max_bytes })?;
        if keep(&entry.name) {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            files.insert(entry.name, bytes);
        }
    }
    Ok(files)
}

/// Where each file lies in a bundle: names and places of their bytes. Of the contents nothing is
/// read, so that files of any length can be read in place.
///
/// # Errors
/// [`BundleError`] for anything but the contents that [`pack`] would not have written, down to the
/// byte, and when the source fails.
pub fn list(mut source: impl Read + Seek) -> Result<Vec<(String, Range<u64>)>, BundleError> {
    let end = source.seek(SeekFrom::End(0))?;
    let mut found = Vec::new();
    let mut names = Names::default();
    let mut at = 0;
    let cut = || read::damaged("it ends inside a file");
    loop {
        source.seek(SeekFrom::Start(at))?;
        let mut block = [0; BLOCK];
        source.read_exact(&mut block)?;
        if block == [0; BLOCK] {
            read::zeros(&mut source, BLOCK)?;
            return match source.stream_position()? == end {
                true => Ok(found),
                false => Err(read::damaged("bytes follow its end mark")),
            };
        }
        let entry = basic(Entry::read(&block)?)?;
        names.admit(&entry)?;
        let from = at + BLOCK as u64;
        let place = from.checked_add(entry.length).map(|to| from..to);
        let place = place.filter(|place| place.end <= end).ok_or_else(cut)?;
        source.seek(SeekFrom::Start(place.end))?;
        read::zeros(&mut source, padding(entry.length))?;
        at = place.end + padding(entry.length) as u64;
        found.push((entry.name, place));
    }
}

/// An entry of the first version of the format.
fn basic(entry: Entry) -> Result<Entry, BundleError> {
    if entry.is_folder() {
        return Err(BundleError::NotAFile { name: entry.name });
    }
    if entry.mode != FILE_MODE {
        return Err(read::damaged("a header says more than a name and a length"));
    }
    Ok(entry)
}

#[cfg(test)]
mod tests;
