//! A file of weights, read where it lies.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use assay_crypto::ReadAt;

use super::folder::unreadable;
use crate::error::LoadError;

/// An open file that is compared with what it was at every read.
pub(super) struct LocalFile {
    path: PathBuf,
    file: File,
    stamp: Stamp,
}

/// What tells a file from what it was: device and inode, length, and the times of the last changes
/// of its content and of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    id: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            id: (found.dev(), found.ino()),
            length: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

impl LocalFile {
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        let failed = |source| unreadable(path, source);
        // Opening a pipe would wait; so it is looked up first.
        let found = std::fs::metadata(path).map_err(failed)?;
        if !found.is_file() {
            let reason = io::Error::other("it is no regular file");
            return Err(failed(reason));
        }
        let file = File::open(path).map_err(failed)?;
        let stamp = Stamp::of(&file.metadata().map_err(failed)?);
        Ok(Self {
            path: path.to_owned(),
            file,
            stamp,
        })
    }

    fn compare(&self, now: &Metadata) -> io::Result<()> {
        if Stamp::of(now) == self.stamp {
            return Ok(());
        }
        let path = self.path.display();
        let text =
            format!("{path} changed while it was read; begin again when nothing writes to it");
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}

impl ReadAt for LocalFile {
    fn length(&self) -> u64 {
        self.stamp.length
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let read = self.file.read_exact_at(out, at);
        // What was cut off is told as the change that it is.
        self.compare(&self.file.metadata()?)?;
        read
    }

    fn check(&self) -> io::Result<()> {
        self.compare(&std::fs::metadata(&self.path)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_changes_under_its_reader_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights");
        type Change = fn(&Path);
        let changes: [(&str, Change); 4] = [
            ("cut", |path| {
                let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(10).unwrap();
            }),
            ("written to", |path| fs::write(path, [9; 1_000]).unwrap()),
            ("replaced", |path| {
                let other = path.with_extension("new");
                fs::write(&other, [8; 1_000]).unwrap();
                fs::rename(other, path).unwrap();
            }),
            ("gone", |path| fs::remove_file(path).unwrap()),
        ];
        for (name, change) in changes {
            fs::write(&path, [7; 1_000]).unwrap();
            let file = LocalFile::open(&path).unwrap();
            let mut out = [0; 100];
            file.read_at(900, &mut out).unwrap();
            assert_eq!(out, [7; 100]);
            assert!(file.check().is_ok());
            change(&path);
            let error = file.read_at(900, &mut out);
            // An open file goes on being what it was when its name leads elsewhere.
            assert!(error.is_err() || out == [7; 100], "{name}");
            assert!(file.check().is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        assert!(LocalFile::open(dir.path()).is_err());
        assert!(LocalFile::open(&dir.path().join("nothing")).is_err());
    }
}
