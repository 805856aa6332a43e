//! Bringing what was fetched to where it was asked for, whole or not at all.
//!
//! A file is written without a name and gets one when it is complete and on the disk, so a process
//! that is killed leaves nothing of it. The files of a directory are written the same way and
//! joined beside its place, under a name that is hidden and says which file it is of; then the
//! directory is renamed. Nothing that stands at the place already is touched, and no symbolic link
//! is followed to it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use assay_vault::bundle::{BundleError, BundleReader, Entry, ROOT};

use crate::disk::locked::sync_folder_of;

/// Files of a directory that are written before they get names. More would need more descriptors
/// than a process usually has; with more, those that are written get their names early.
const NAMELESS: usize = 512;

/// A file that has no name yet.
#[derive(Debug)]
pub struct Nameless {
    file: File,
    /// Where the file system knows no files without names.
    hidden: Option<PathBuf>,
}

impl Nameless {
    /// A new file in `folder`, with these permissions less those that the process masks.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn new(folder: &Path, mode: u32) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        {
            use rustix::{
                fs::{Mode, OFlags, open},
                io::Errno,
            };
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            match open(folder, flags, Mode::from_raw_mode(mode)) {
                Ok(file) => {
                    let file = File::from(file);
                    return Ok(Self { file, hidden: None });
                }
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let name = super::fresh_seed().map_err(io::Error::other)?.to_string();
        let hidden = folder.join(format!(".assay-{}.part", &name[..16]));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(mode);
        let file = file.open(&hidden)?;
        Ok(Self {
            file,
            hidden: Some(hidden),
        })
    }

    /// Writes all of `from`; it is on the disk when this returns.
    ///
    /// # Errors
    /// What either side said.
    pub fn fill(&mut self, mut from: impl Read) -> io::Result<u64> {
        let mut buffer = vec![0; 1 << 20];
        let mut written = 0;
        loop {
            let read = from.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            self.file.write_all(&buffer[..read])?;
            written += read as u64;
        }
        self.file.sync_all()?;
        Ok(written)
    }

    /// Gives it a name that nothing has.
    ///
    /// # Errors
    /// What the operating system said; [`io::ErrorKind::AlreadyExists`] among it.
    pub fn name(self, path: &Path) -> io::Result<()> {
        match &self.hidden {
            Some(hidden) => fs::hard_link(hidden, path),
            None => link(&self.file, path),
        }
    }
}

impl Drop for Nameless {
    fn drop(&mut self) {
        if let Some(hidden) = &self.hidden {
            let _ = fs::remove_file(hidden);
        }
    }
}

#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, linkat};
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, from, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn link(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Writes all of `from` to a new file at `path`.
///
/// # Errors
/// What either side said; [`io::ErrorKind::AlreadyExists`] among it.
pub fn file(path: &Path, from: impl Read) -> io::Result<u64> {
    let mut nameless = Nameless::new(folder_of(path), 0o666)?;
    let written = nameless.fill(from)?;
    nameless.name(path)?;
    sync_folder_of(path)?;
    Ok(written)
}

/// Writes the directory in a bundle to a new directory at `path`; `label` tells what is being
/// written there from anything else.
///
/// # Errors
/// [`BundleError`], which also says what the disk said.
pub fn directory(path: &Path, label: &str, from: impl Read) -> Result<(), BundleError> {
    let aside = aside(path, label);
    clear(&aside)?;
    DirBuilder::new().mode(0o777).create(&aside)?;
    let filled = fill(&aside, from).and_then(|folders| {
        // Before permissions forbid it.
        sync(&aside)?;
        restrict(folders)?;
        rename(&aside, path)?;
        sync_folder_of(path)?;
        Ok(())
    });
    if filled.is_err() {
        let _ = fs::remove_dir_all(&aside);
    }
    filled
}

/// Bytes of the longest name that a folder can hold, where the system tells.
pub fn longest_name(folder: &Path) -> Option<usize> {
    let about = rustix::fs::statvfs(folder).ok()?;
    usize::try_from(about.f_namemax)
        .ok()
        .filter(|most| *most > 0)
}

/// The folder that a path lies in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Where a directory is put together.
fn aside(path: &Path, label: &str) -> PathBuf {
    let last = path.file_name().unwrap_or_default().to_string_lossy();
    let short: String = last.chars().take(40).collect();
    path.with_file_name(format!(".{short}.{label}.part"))
}

/// Removes what a killed process left of the same directory.
fn clear(aside: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !found.is_dir() {
        let text = format!("{} is in the way: remove it", aside.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    fs::remove_dir_all(aside)
}

/// Writes the entries of a bundle below `root`; returns the folders whose permissions are to be
/// those of their entries.
fn fill(root: &Path, from: impl Read) -> Result<Vec<(PathBuf, u32)>, BundleError> {
    let mut reader = BundleReader::new(from);
    let mut waiting: Vec<(Nameless, PathBuf)> = Vec::new();
    let mut folders: Vec<(PathBuf, u32)> = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let path = if entry.name == ROOT {
            root.to_owned()
        } else {
            root.join(&entry.name)
        };
        if entry.is_folder() {
            make_folders(&path)?;
            folders.push((path, entry.mode));
            continue;
        }
        waiting.push((write(root, &entry, &mut reader)?, path));
        if waiting.len() == NAMELESS {
            give_names(&mut waiting)?;
        }
    }
    give_names(&mut waiting)?;
    Ok(folders)
}

/// Takes away the permissions that folders did not have, innermost first: a folder may not be
/// entered any more afterwards.
fn restrict(mut folders: Vec<(PathBuf, u32)>) -> io::Result<()> {
    folders.sort_by_key(|(path, _)| std::cmp::Reverse(path.components().count()));
    for (path, mode) in folders {
        let made = fs::metadata(&path)?.permissions().mode();
        fs::set_permissions(&path, fs::Permissions::from_mode(made & 0o777 & mode))?;
    }
    Ok(())
}

fn write(root: &Path, entry: &Entry, from: &mut impl Read) -> Result<Nameless, BundleError> {
    let mut nameless = Nameless::new(root, entry.mode)?;
    let found = nameless.fill(from)?;
    if found != entry.length {
        return Err(BundleError::Length {
            name: entry.name.clone(),
            expected: entry.length,
            found,
        });
    }
    Ok(nameless)
}

fn give_names(waiting: &mut Vec<(Nameless, PathBuf)>) -> io::Result<()> {
    for (file, path) in waiting.drain(..) {
        make_folders(folder_of(&path))?;
        file.name(&path)?;
    }
    Ok(())
}

fn make_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o777).create(path)
}

/// Makes every name below `root` durable.
fn sync(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync(&entry.path())?;
        }
    }
    File::open(root)?.sync_all()
}

/// Renames unless something stands there.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::{
            fs::{CWD, RenameFlags, renameat_with},
            io::Errno,
        };
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => {}
            other => return Ok(other?),
        }
    }
    if fs::symlink_metadata(to).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// Bytes that may still be written in a folder.
///
/// # Errors
/// What the operating system said.
pub fn room(folder: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
