//! What a directory holds, or why it cannot be stored.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use assay_vault::bundle::{Entry, FOLDER_MODE, MAX_ENTRIES, MAX_NAME_BYTES, ROOT, is_plain};

use super::{
    FileSource, SourceError, Stamp,
    file::{look_up, name_of},
};

/// Offenders that an error names.
const NAMED: usize = 20;

/// One entry and the file it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) entry: Entry,
    pub(super) path: PathBuf,
    /// Of a file; a folder is told by its entry alone.
    pub(super) stamp: Option<Stamp>,
}

/// A look through a directory.
pub(super) struct Walk<'a> {
    follow: bool,
    /// A directory that must not be part of it.
    own: Option<&'a Metadata>,
    items: Vec<Item>,
    offenders: Vec<(PathBuf, String)>,
    more: usize,
    /// The folders that lead to where the walk is, by device and inode.
    above: Vec<(u64, u64)>,
}

impl<'a> Walk<'a> {
    /// Everything below `root`, in the order of a bundle.
    pub(super) fn through(
        root: &Path,
        follow: bool,
        own: Option<&'a Metadata>,
    ) -> Result<Vec<Item>, SourceError> {
        let mut walk = Self {
            follow,
            own,
            items: Vec::new(),
            offenders: Vec::new(),
            more: 0,
            above: Vec::new(),
        };
        let found = fs::metadata(root).map_err(|source| SourceError::Unreadable {
            path: root.to_owned(),
            source,
        })?;
        walk.folder(root, root, "", &found)?;
        if walk.offenders.is_empty() {
            walk.items
                .sort_by(|a, b| a.entry.name.as_bytes().cmp(b.entry.name.as_bytes()));
            return Ok(walk.items);
        }
        Err(SourceError::Refused {
            path: root.to_owned(),
            offenders: walk.offenders,
            more: walk.more,
        })
    }

    fn folder(
        &mut self,
        root: &Path,
        path: &Path,
        name: &str,
        found: &Metadata,
    ) -> Result<(), SourceError> {
        let id = (found.dev(), found.ino());
        if self.own.is_some_and(|own| id == (own.dev(), own.ino())) {
            let why = "your own directory, with your key and what changes while a file is stored";
            self.refuse(path, why);
            return Ok(());
        }
        if self.above.contains(&id) {
            self.refuse(path, "a link back to a folder that it is in");
            return Ok(());
        }
        let listed = fs::read_dir(path).and_then(|all| all.collect::<Result<Vec<_>, _>>());
        let listed = match listed {
            Ok(listed) => listed,
            Err(source) if path == root => {
                return Err(SourceError::Unreadable {
                    path: path.to_owned(),
                    source,
                });
            }
            Err(error) => {
                self.refuse(path, &format!("cannot be read: {error}"));
                return Ok(());
            }
        };
        let mode = found.mode() & 0o7777;
        if mode > 0o777 {
            self.refuse(path, SPECIAL);
        }
        let goes_without_saying = mode == FOLDER_MODE && (!listed.is_empty() || path == root);
        if !goes_without_saying {
            let name = if path == root { ROOT } else { name };
            self.take(root, path, name, mode & 0o777, None)?;
        }
        self.above.push(id);
        for child in listed {
            self.child(root, name, &child.path())?;
        }
        self.above.pop();
        Ok(())
    }

    fn child(&mut self, root: &Path, folder: &str, path: &Path) -> Result<(), SourceError> {
        let Some(last) = path.file_name().and_then(|last| last.to_str()) else {
            self.refuse(path, "its name is not UTF-8");
            return Ok(());
        };
        let mut name = format!("{folder}{last}");
        let found = match look_up(path, self.follow) {
            Ok(found) => found,
            Err(error) => {
                let leads_nowhere = fs::symlink_metadata(path).is_ok_and(|f| f.is_symlink());
                let what = if leads_nowhere {
                    "a symbolic link that leads nowhere"
                } else {
                    "cannot be read"
                };
                self.refuse(path, &format!("{what}: {error}"));
                return Ok(());
            }
        };
        let kind = found.file_type();
        if kind.is_dir() {
            name.push('/');
        }
        if name.len() > MAX_NAME_BYTES {
            let why = format!(
                "its path below the directory has {} bytes, at most {MAX_NAME_BYTES} can be kept",
                name.len()
            );
            self.refuse(path, &why);
        } else if !is_plain(&name) {
            let why = "its name has a control character, `\\` or `:`, which other systems \
                       cannot keep";
            self.refuse(path, why);
        } else if kind.is_dir() {
            self.folder(root, path, &name, &found)?;
        } else if kind.is_symlink() {
            let why = "a symbolic link: --follow-links stores what links lead to";
            self.refuse(path, why);
        } else if !kind.is_file() {
            self.refuse(path, name_of(kind));
        } else {
            self.file(root, path, &name)?;
        }
        Ok(())
    }

    fn file(&mut self, root: &Path, path: &Path, name: &str) -> Result<(), SourceError> {
        let source = match FileSource::open_as(path, self.follow) {
            Ok(source) => source,
            Err(SourceError::Unreadable { source, .. }) => {
                self.refuse(path, &format!("cannot be read: {source}"));
                return Ok(());
            }
            Err(SourceError::Endless { .. }) => {
                self.refuse(path, "it says that it has no bytes but gives some");
                return Ok(());
            }
            Err(SourceError::Secret { .. }) => {
                self.refuse(path, "a secret key of Assay");
                return Ok(());
            }
            Err(SourceError::Kind { what, .. }) => {
                self.refuse(path, what);
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        let mode = source.stamp().mode & 0o7777;
        if mode > 0o777 {
            self.refuse(path, SPECIAL);
            return Ok(());
        }
        self.take(root, path, name, mode, Some(*source.stamp()))
    }

    fn take(
        &mut self,
        root: &Path,
        path: &Path,
        name: &str,
        mode: u32,
        stamp: Option<Stamp>,
    ) -> Result<(), SourceError> {
        if self.items.len() == MAX_ENTRIES {
            return Err(SourceError::TooMany {
                path: root.to_owned(),
            });
        }
        self.items.push(Item {
            entry: Entry {
                name: name.to_owned(),
                mode,
                length: stamp.map_or(0, |stamp| stamp.length),
            },
            path: path.to_owned(),
            stamp,
        });
        Ok(())
    }

    fn refuse(&mut self, path: &Path, why: &str) {
        if self.offenders.len() < NAMED {
            self.offenders.push((path.to_owned(), why.to_owned()));
        } else {
            self.more += 1;
        }
    }
}

const SPECIAL: &str = "it has a set-user-ID, set-group-ID or sticky bit, which is not kept: clear \
                       it with `chmod u-s,g-s,-t`";
