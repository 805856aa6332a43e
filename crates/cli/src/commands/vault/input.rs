//! What `assay vault put` stores.

use std::{
    io::{self, Read, Seek, SeekFrom},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use assay_crypto::Digest;
use assay_node::files::source::{FileSource, Source, SourceError, Tree};

use super::{BUNDLE_TYPE, PLAIN_TYPE, TREE_TYPE};
use crate::failure::{Failure, Kind};

/// A file or directory, looked at and found fit.
pub(super) struct Input {
    pub(super) source: Either,
    pub(super) media_type: &'static str,
    /// Bytes to store.
    pub(super) length: u64,
    /// Where it lies, whatever the working directory.
    pub(super) place: Vec<u8>,
    /// The same again if nothing about it changed.
    pub(super) identity: Digest,
}

/// A source of either kind.
pub(super) enum Either {
    File(FileSource),
    Tree(Box<Tree>),
}

impl Input {
    pub(super) fn open(path: &Path, follow_links: bool, home: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            let text = "standard input cannot be stored: what is stored must be there to be read \
                        again";
            return Err(Failure::say(Kind::Usage, text)
                .hint("write it to a file first; a file of that name is `./-`"));
        }
        if !path.is_dir() {
            let source = FileSource::open(path)?;
            let place = place_of(path)?;
            let stamp = *source.stamp();
            let (seconds, nanos) = stamp.modified;
            return Ok(Self {
                media_type: PLAIN_TYPE,
                length: stamp.length,
                place,
                identity: Digest::of(
                    "assay/file identity/v1",
                    &[
                        &stamp.length.to_le_bytes(),
                        &seconds.to_le_bytes(),
                        &nanos.to_le_bytes(),
                    ],
                ),
                source: Either::File(source),
            });
        }
        let tree = Tree::scan(path, follow_links, Some(home))?;
        let place = place_of(path)?;
        Ok(Self {
            media_type: if tree.is_basic() {
                BUNDLE_TYPE
            } else {
                TREE_TYPE
            },
            length: tree.length(),
            place,
            identity: tree.identity(),
            source: Either::Tree(Box::new(tree)),
        })
    }
}

/// Where it lies, whatever the working directory and the links on the way.
fn place_of(path: &Path) -> Result<Vec<u8>, SourceError> {
    let place = path.canonicalize();
    let place = place.map_err(|source| SourceError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok(place.as_os_str().as_bytes().to_vec())
}

impl Read for Either {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Either::File(file) => file.read(buffer),
            Either::Tree(tree) => tree.read(buffer),
        }
    }
}

impl Seek for Either {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Either::File(file) => file.seek(to),
            Either::Tree(tree) => tree.seek(to),
        }
    }
}

impl Source for Either {
    fn check(&mut self) -> Result<(), SourceError> {
        match self {
            Either::File(file) => file.check(),
            Either::Tree(tree) => tree.check(),
        }
    }
}
