//! A directory, read as the bundle it makes.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use assay_crypto::Digest;
use assay_vault::bundle::{self, BLOCK, BundleError, END, Entry, Names};

use super::{
    FileSource, Source, SourceError,
    walk::{Item, Walk},
};

/// A directory as a bundle that is put together while it is read and never lies anywhere.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    follow: bool,
    own: Option<PathBuf>,
    items: Vec<Item>,
    /// Where the header of each item begins.
    starts: Vec<u64>,
    length: u64,
    at: u64,
    /// The file being read, by its item.
    open: Option<(usize, FileSource)>,
}

impl Tree {
    /// Looks through `root`. Symbolic links below it are refused unless `follow`; so is `own`, a
    /// directory that must not be part of it.
    ///
    /// # Errors
    /// [`SourceError`], naming everything that cannot be stored.
    pub fn scan(root: &Path, follow: bool, own: Option<&Path>) -> Result<Self, SourceError> {
        let items = walk(root, follow, own)?;
        let mut names = Names::default();
        let mut starts = Vec::with_capacity(items.len());
        let mut length = 0;
        for item in &items {
            names
                .admit(&item.entry)
                .map_err(|error| refused(root, item, &error))?;
            starts.push(length);
            let content = item.entry.length;
            length += BLOCK as u64 + content + bundle::padding(content) as u64;
        }
        Ok(Self {
            root: root.to_owned(),
            follow,
            own: own.map(Path::to_owned),
            items,
            starts,
            length: length + END as u64,
            at: 0,
            open: None,
        })
    }

    /// Bytes of the bundle.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether the first version of the bundle format can say all of it.
    pub fn is_basic(&self) -> bool {
        self.items.iter().all(|item| item.entry.is_basic())
    }

    /// Names, permissions, lengths and times of everything in it, as a digest: two looks at an
    /// unchanged directory give the same.
    pub fn identity(&self) -> Digest {
        let mut hasher = assay_crypto::Hasher::new("assay/tree identity/v1");
        for item in &self.items {
            let Entry { name, mode, length } = &item.entry;
            let (seconds, nanos) = item.stamp.map_or((0, 0), |stamp| stamp.modified);
            hasher.part(name.as_bytes());
            hasher.part(&mode.to_le_bytes());
            hasher.part(&length.to_le_bytes());
            hasher.part(&seconds.to_le_bytes());
            hasher.part(&nanos.to_le_bytes());
        }
        hasher.finish()
    }

    /// Reads from within item `index`, `into` bytes after the beginning of its header.
    fn read_item(&mut self, index: usize, into: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let item = &self.items[index];
        if let Some(header) = (BLOCK as u64).checked_sub(into).filter(|left| *left > 0) {
            let block = item.entry.header().map_err(io::Error::other)?;
            let from = BLOCK - header as usize;
            return Ok(copy(&block[from..], buffer));
        }
        let into = into - BLOCK as u64;
        let Some(left) = item.entry.length.checked_sub(into).filter(|left| *left > 0) else {
            let padded = bundle::padding(item.entry.length) as u64;
            let left = item.entry.length + padded - into;
            return Ok(zeros(left, buffer));
        };
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            self.open = Some((index, self.reopen(item)?));
        }
        let Some((_, source)) = &mut self.open else {
            return Ok(0);
        };
        source.seek(SeekFrom::Start(into))?;
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        source.read(&mut buffer[..most])
    }

    /// Opens the file of an item, which must be the one that was seen.
    fn reopen(&self, item: &Item) -> Result<FileSource, SourceError> {
        let changed = |what| SourceError::Changed {
            path: item.path.clone(),
            what,
        };
        let source = FileSource::open_as(&item.path, self.follow).map_err(|error| match error {
            SourceError::Changed { .. } => error,
            error => changed(crate::told(&error)),
        })?;
        match item.stamp.and_then(|seen| seen.difference(source.stamp())) {
            None => Ok(source),
            Some(what) => Err(changed(what)),
        }
    }
}

impl Read for Tree {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.at;
        let read = match self.starts.partition_point(|start| *start <= at) {
            after if after > 0 && at < self.length - END as u64 => {
                self.read_item(after - 1, at - self.starts[after - 1], buffer)?
            }
            _ => zeros(self.length.saturating_sub(at), buffer),
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Tree {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "before the beginning");
        self.at = at.ok_or_else(outside)?;
        Ok(self.at)
    }
}

impl Source for Tree {
    fn check(&mut self) -> Result<(), SourceError> {
        let now = walk(&self.root, self.follow, self.own.as_deref())?;
        let count = self.items.len().max(now.len());
        let mut pairs = (0..count).map(|n| (self.items.get(n), now.get(n)));
        match pairs.find_map(|(seen, there)| self.difference(seen, there)) {
            Some((path, what)) => Err(SourceError::Changed {
                path: path.to_owned(),
                what,
            }),
            None => Ok(()),
        }
    }
}

impl Tree {
    /// What changed, if the item that was seen at a place and the one that is there now differ.
    /// Only folders whose permissions are not the usual ones, and empty ones, are items.
    fn difference<'a>(
        &self,
        seen: Option<&'a Item>,
        there: Option<&'a Item>,
    ) -> Option<(&'a Path, String)> {
        const MODE: &str = "its permissions were changed";
        let is_same = |(a, b): (&Item, &Item)| a.path == b.path;
        if let (Some(seen), Some(there)) = (seen, there)
            && is_same((seen, there))
        {
            let what = match (seen.stamp, there.stamp) {
                (Some(before), Some(after)) => before.difference(&after),
                (None, None) => None,
                _ => Some("it is something else now".to_owned()),
            };
            let what = what.or_else(|| (seen.entry != there.entry).then(|| MODE.to_owned()));
            return what.map(|what| (seen.path.as_path(), what));
        }
        if let Some(seen) = seen.filter(|seen| fs::symlink_metadata(&seen.path).is_err()) {
            return Some((&seen.path, "it is gone".to_owned()));
        }
        let is_known = |path: &Path| self.items.iter().any(|item| item.path.starts_with(path));
        match (seen, there) {
            (_, Some(there)) if !is_known(&there.path) && there.path != self.root => {
                Some((&there.path, "it is new".to_owned()))
            }
            (_, Some(there)) if !self.items.iter().any(|item| is_same((item, there))) => {
                Some((&there.path, MODE.to_owned()))
            }
            (Some(seen), _) => Some((&seen.path, MODE.to_owned())),
            (None, there) => there.map(|there| (there.path.as_path(), MODE.to_owned())),
        }
    }
}

fn walk(root: &Path, follow: bool, own: Option<&Path>) -> Result<Vec<Item>, SourceError> {
    let own = own.and_then(|own| fs::metadata(own).ok());
    Walk::through(root, follow, own.as_ref())
}

fn refused(root: &Path, item: &Item, error: &BundleError) -> SourceError {
    SourceError::Refused {
        path: root.to_owned(),
        offenders: vec![(item.path.clone(), error.to_string())],
        more: 0,
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    to[..count].copy_from_slice(&from[..count]);
    count
}

fn zeros(left: u64, to: &mut [u8]) -> usize {
    let count = usize::try_from(left).map_or(to.len(), |left| left.min(to.len()));
    to[..count].fill(0);
    count
}
