//! A directory, read as the bundle it makes.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use assay_crypto::Digest;
use assay_vault::bundle::{BundleError, Entry, Layout, Spot};

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
    layout: Layout,
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
        let mut layout = Layout::default();
        for item in &items {
            let placed = layout.push(item.entry.clone());
            placed.map_err(|error| refused(root, item, &error))?;
        }
        Ok(Self {
            root: root.to_owned(),
            follow,
            own: own.map(Path::to_owned),
            items,
            layout,
            at: 0,
            open: None,
        })
    }

    /// Bytes of the bundle.
    pub fn length(&self) -> u64 {
        self.layout.length()
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

    /// Reads the content of item `index` from its byte `at` on, of which `left` are still to come.
    fn read_item(
        &mut self,
        index: usize,
        (at, left): (u64, u64),
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let item = &self.items[index];
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            self.open = Some((index, self.reopen(item)?));
        }
        let Some((_, source)) = &mut self.open else {
            return Ok(0);
        };
        source.seek(SeekFrom::Start(at))?;
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
        let spot = self.layout.spot(self.at).map_err(io::Error::other)?;
        let read = match spot {
            Spot::Header(block, from) => copy(&block[from..], buffer),
            Spot::Zeros(left) => zeros(left, buffer),
            Spot::Content { entry, at, left } => self.read_item(entry, (at, left), buffer)?,
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Tree {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length().checked_add_signed(by),
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
