//! What a disk holds, and what is left of it when the power goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_crypto::{Digest, stream::Stream};

use super::inode::Inode;

type Names = BTreeMap<PathBuf, Node>;
type Deaf = Arc<dyn Fn(&Path) -> bool + Send + Sync>;

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Folder,
    /// The place of a file among all.
    File(usize),
}

pub(super) struct Platter {
    pub(super) inodes: Vec<Inode>,
    /// What processes see.
    live: Names,
    /// What is left for certain.
    durable: Names,
    /// Files that somebody has locked.
    pub(super) locked: BTreeSet<usize>,
    /// Counts cuts and kills; who uses the disk does so in one period only.
    pub(super) period: u64,
    pub(super) operations: u64,
    /// Operations until the power is cut or the process killed, syncs until the power is cut, reads
    /// until one fails.
    pub(super) left: Option<u64>,
    pub(super) kill_left: Option<u64>,
    pub(super) syncs_left: Option<u64>,
    pub(super) reads_left: Option<u64>,
    pub(super) capacity: u64,
    pub(super) deaf_to: Option<Deaf>,
    chance: Stream,
}

impl fmt::Debug for Platter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platter")
            .field("live", &self.live)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

pub(super) fn dead() -> io::Error {
    io::Error::other("the power was cut, or the process killed")
}

pub(super) fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Platter {
    pub(super) fn new(seed: u64) -> Self {
        let seed = Digest::of("assay/simulated disk/v1", &[&seed.to_le_bytes()]);
        Self {
            inodes: Vec::new(),
            live: Names::new(),
            durable: Names::new(),
            locked: BTreeSet::new(),
            period: 0,
            operations: 0,
            left: None,
            kill_left: None,
            syncs_left: None,
            reads_left: None,
            capacity: u64::MAX,
            deaf_to: None,
            chance: Stream::new(seed, "what is left", 0),
        }
    }

    pub(super) fn copy(&self) -> Self {
        let mut copy = Self::new(self.period);
        copy.inodes.clone_from(&self.inodes);
        for inode in &mut copy.inodes {
            inode.sync();
        }
        copy.live.clone_from(&self.live);
        copy.durable.clone_from(&self.live);
        copy
    }

    /// Takes what a backup holds in the place of everything; chances and faults stay the disk's own.
    pub(super) fn restore(&mut self, backup: Self) {
        self.kill();
        self.inodes = backup.inodes;
        self.live = backup.live;
        self.durable = backup.durable;
    }

    /// Begins an operation of a process that began in `period`.
    pub(super) fn operate(&mut self, period: u64) -> io::Result<()> {
        if self.period != period {
            return Err(dead());
        }
        self.operations += 1;
        if runs_out(&mut self.left) {
            self.cut();
            return Err(dead());
        }
        if runs_out(&mut self.kill_left) {
            self.kill();
            return Err(dead());
        }
        Ok(())
    }

    /// Begins a read.
    pub(super) fn read(&mut self, period: u64) -> io::Result<()> {
        self.operate(period)?;
        if runs_out(&mut self.reads_left) {
            return Err(io::Error::other("a sector cannot be read"));
        }
        Ok(())
    }

    /// Begins a sync of what `path` names; `false` if it is to be left out.
    pub(super) fn sync(&mut self, period: u64, path: &Path) -> io::Result<bool> {
        self.operate(period)?;
        if runs_out(&mut self.syncs_left) {
            self.cut();
            return Err(dead());
        }
        Ok(!self.deaf_to.as_ref().is_some_and(|deaf| deaf(path)))
    }

    pub(super) fn node(&self, path: &Path) -> Option<Node> {
        if path == Path::new(".") {
            return Some(Node::Folder);
        }
        self.live.get(path).copied()
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<usize> {
        match self.node(path) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(missing()),
        }
    }

    fn must_have_folder_of(&self, path: &Path) -> io::Result<()> {
        match path.parent().and_then(|folder| self.node(root(folder))) {
            Some(Node::Folder) => Ok(()),
            _ => Err(missing()),
        }
    }

    /// A new file under a name that leads nowhere.
    pub(super) fn create(&mut self, path: &Path) -> io::Result<usize> {
        self.must_have_folder_of(path)?;
        if self.node(path).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.inodes.push(Inode::default());
        let file = self.inodes.len() - 1;
        self.live.insert(path.to_owned(), Node::File(file));
        Ok(file)
    }

    pub(super) fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        for folder in path.ancestors().filter(|path| *path != Path::new("")) {
            match self.node(folder) {
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                Some(Node::Folder) => break,
                None => self.live.insert(folder.to_owned(), Node::Folder),
            };
        }
        Ok(())
    }

    /// A file that is there for good, with its folders.
    pub(super) fn format(&mut self, path: &Path) -> usize {
        if let Some(Node::File(file)) = self.node(path) {
            return file;
        }
        self.inodes.push(Inode::default());
        let file = self.inodes.len() - 1;
        for names in [&mut self.live, &mut self.durable] {
            for folder in path.ancestors().skip(1) {
                if folder != Path::new("") {
                    names.insert(folder.to_owned(), Node::Folder);
                }
            }
            names.insert(path.to_owned(), Node::File(file));
        }
        file
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.must_have_folder_of(to)?;
        let node = self.live.remove(from).ok_or_else(missing)?;
        self.live.insert(to.to_owned(), node);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        self.live.remove(path);
        Ok(())
    }

    /// Names in a folder, with the lengths of files.
    pub(super) fn list(&self, folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        if self.node(folder) != Some(Node::Folder) {
            return Err(missing());
        }
        let length = |node: &Node| match node {
            Node::Folder => 0,
            Node::File(file) => self.inodes.get(*file).map_or(0, Inode::length),
        };
        let inside = self.live.iter().filter(|(path, _)| is_in(path, folder));
        Ok(inside
            .map(|(path, node)| (path.clone(), length(node)))
            .collect())
    }

    /// Makes the names in a folder durable.
    pub(super) fn sync_names(&mut self, folder: &Path) {
        self.durable.retain(|path, _| !is_in(path, folder));
        let inside = self.live.iter().filter(|(path, _)| is_in(path, folder));
        let inside: Vec<_> = inside.map(|(path, node)| (path.clone(), *node)).collect();
        self.durable.extend(inside);
    }

    /// Adds what there is room for at the end of a file.
    pub(super) fn append(&mut self, file: usize, bytes: &[u8]) -> io::Result<()> {
        let named = self.live.values();
        let files: BTreeSet<usize> = named
            .filter_map(|node| match node {
                Node::File(file) => Some(*file),
                Node::Folder => None,
            })
            .collect();
        let used = files.iter().filter_map(|file| self.inodes.get(*file));
        let room = self.capacity.saturating_sub(used.map(Inode::length).sum());
        let fitting = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        let inode = self.inodes.get_mut(file).ok_or_else(missing)?;
        let end = inode.live.len();
        inode.live.extend(bytes.iter().take(fitting));
        inode.touch(end, end + fitting);
        match fitting == bytes.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    pub(super) fn files(&self) -> BTreeSet<PathBuf> {
        let files = self.live.iter();
        files
            .filter(|(_, node)| matches!(node, Node::File(_)))
            .map(|(path, _)| path.clone())
            .collect()
    }

    pub(super) fn rot(&mut self, path: &Path, byte: usize) -> bool {
        let Ok(file) = self.file(path) else {
            return false;
        };
        let Some(inode) = self.inodes.get_mut(file) else {
            return false;
        };
        inode.flip(byte)
    }

    pub(super) fn kill(&mut self) {
        self.period += 1;
        self.locked.clear();
        (self.left, self.kill_left) = (None, None);
        (self.syncs_left, self.reads_left) = (None, None);
    }

    /// The power goes, and comes back.
    pub(super) fn cut(&mut self) {
        self.kill();
        let changed: BTreeSet<PathBuf> = self
            .live
            .keys()
            .chain(self.durable.keys())
            .filter(|path| self.live.get(*path) != self.durable.get(*path))
            .cloned()
            .collect();
        for path in changed {
            if self.chance.below(2) == 0 {
                continue;
            }
            match self.live.get(&path) {
                Some(node) => self.durable.insert(path, *node),
                None => self.durable.remove(&path),
            };
        }
        // A folder stands before what is in it.
        let mut names = Names::new();
        for (path, node) in std::mem::take(&mut self.durable) {
            let folder = path.parent().unwrap_or(Path::new(""));
            if folder == Path::new("") || names.get(folder) == Some(&Node::Folder) {
                names.insert(path, node);
            }
        }
        self.live.clone_from(&names);
        self.durable = names;
        for inode in &mut self.inodes {
            inode.cut(&mut self.chance);
        }
    }
}

fn runs_out(left: &mut Option<u64>) -> bool {
    match left {
        Some(0) => {
            *left = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

/// The folder that a path names: where it names nothing, the disk's own.
fn root(folder: &Path) -> &Path {
    match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    }
}

fn is_in(path: &Path, folder: &Path) -> bool {
    path.parent().map(root) == Some(folder)
}
