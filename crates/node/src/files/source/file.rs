//! One regular file.

use std::{
    fs::{self, File, FileType, Metadata, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{Source, SourceError, Stamp};
use crate::{
    keys::{MAX_BYTES, is_key_file},
    shares::is_share_file,
};

/// A regular file that is compared with what it was at every read.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    file: File,
    stamp: Stamp,
    at: u64,
}

impl FileSource {
    /// Opens a file; a symbolic link is followed.
    ///
    /// # Errors
    /// [`SourceError`] when it is none that can be stored.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Self::open_as(path, true)
    }

    pub(super) fn open_as(path: &Path, follow: bool) -> Result<Self, SourceError> {
        let unreadable = |source| SourceError::Unreadable {
            path: path.to_owned(),
            source,
        };
        // Opening a device or a pipe can do things, or wait; so it is looked up first.
        let found = look_up(path, follow).map_err(unreadable)?;
        must_be_file(path, found.file_type())?;
        let flags = if follow {
            OFlags::NONBLOCK
        } else {
            OFlags::NONBLOCK | OFlags::NOFOLLOW
        };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits() as i32)
            .open(path)
            .map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        must_be_file(path, found.file_type())?;
        let mut source = Self {
            path: path.to_owned(),
            file,
            stamp: Stamp::of(&found),
            at: 0,
        };
        match source.stamp.length {
            0 => source.must_be_empty()?,
            1..=MAX_BYTES => source.must_be_no_secret()?,
            _ => {}
        }
        Ok(source)
    }

    /// What it was when it was opened.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    fn must_be_no_secret(&self) -> Result<(), SourceError> {
        let mut text = Zeroizing::new(vec![0; self.stamp.length as usize]);
        match self.file.read_exact_at(&mut text, 0) {
            Ok(()) if is_key_file(&text) || is_share_file(&text) => Err(SourceError::Secret {
                path: self.path.clone(),
            }),
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.changed("it is shorter"))
            }
            Err(source) => Err(SourceError::Unreadable {
                path: self.path.clone(),
                source,
            }),
        }
    }

    /// Files under /proc say that they are empty whatever they give.
    fn must_be_empty(&mut self) -> Result<(), SourceError> {
        let path = || self.path.clone();
        match (&self.file).read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => {
                self.compare()?;
                Err(SourceError::Endless { path: path() })
            }
            Err(source) => Err(SourceError::Unreadable {
                path: path(),
                source,
            }),
        }
    }

    fn changed(&self, what: impl Into<String>) -> SourceError {
        SourceError::Changed {
            path: self.path.clone(),
            what: what.into(),
        }
    }

    /// Whether the open file is what it was.
    fn compare(&self) -> Result<(), SourceError> {
        let now = self.file.metadata();
        let now = now.map_err(|source| SourceError::Unreadable {
            path: self.path.clone(),
            source,
        })?;
        let now = Stamp::of(&now);
        match self.stamp.difference(&now) {
            None => Ok(()),
            Some(what) if !self.stamp.has_same_content(&now) => Err(self.changed(what)),
            // Perhaps it lost its name, which its name tells better.
            Some(what) => {
                self.compare_name()?;
                Err(self.changed(what))
            }
        }
    }

    /// Whether its name leads to what it was.
    fn compare_name(&self) -> Result<(), SourceError> {
        let there = match fs::metadata(&self.path) {
            Ok(found) => Stamp::of(&found),
            Err(error) => return Err(self.changed(format!("its name leads nowhere: {error}"))),
        };
        match self.stamp.difference(&there) {
            None => Ok(()),
            Some(what) => Err(self.changed(what)),
        }
    }
}

impl Read for FileSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.file.read(buffer)?;
        self.at += read as u64;
        self.compare()?;
        let promised = self.stamp.length;
        if self.at > promised || (read == 0 && self.at < promised) {
            let what = format!(
                "it gave {} {} bytes but says that it has {promised}",
                if read == 0 { "only" } else { "at least" },
                self.at,
            );
            return Err(self.changed(what).into());
        }
        Ok(read)
    }
}

impl Seek for FileSource {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

impl Source for FileSource {
    fn check(&mut self) -> Result<(), SourceError> {
        self.compare()?;
        self.compare_name()
    }
}

pub(super) fn look_up(path: &Path, follow: bool) -> io::Result<Metadata> {
    if follow {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    }
}

fn must_be_file(path: &Path, kind: FileType) -> Result<(), SourceError> {
    if kind.is_file() {
        return Ok(());
    }
    Err(SourceError::Kind {
        path: path.to_owned(),
        what: name_of(kind),
    })
}

/// What something is that is no regular file, with an article.
pub(super) fn name_of(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_block_device() {
        "a block device"
    } else if kind.is_char_device() {
        "a character device"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a directory"
    } else {
        "no regular file"
    }
}
