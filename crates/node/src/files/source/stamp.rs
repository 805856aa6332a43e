//! What tells a file from what it was.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

/// What a file was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    /// Bytes.
    pub length: u64,
    /// Kind and permissions.
    pub mode: u32,
    /// Seconds and nanoseconds of the last change of the content.
    pub modified: (i64, i64),
    /// Of the last change of anything.
    changed: (i64, i64),
}

impl Stamp {
    /// Of what was looked up.
    pub fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            length: found.size(),
            mode: found.mode(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Whether both are of one file on one disk.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether the content is as long and as old.
    pub(super) fn has_same_content(&self, other: &Self) -> bool {
        (self.length, self.modified) == (other.length, other.modified)
    }

    /// What happened between this stamp and a later one, in words.
    pub fn difference(&self, later: &Self) -> Option<String> {
        let (before, after) = (self.length, later.length);
        if self == later {
            None
        } else if !self.is_same_file(later) {
            Some("another file took its place".to_owned())
        } else if after > before {
            Some(format!("it grew from {before} to {after} bytes"))
        } else if after < before {
            Some(format!("it shrank from {before} to {after} bytes"))
        } else if self.modified != later.modified {
            Some("it was written to".to_owned())
        } else {
            Some("it was written to, or its name, owner or permissions were changed".to_owned())
        }
    }
}
