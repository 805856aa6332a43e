//! The files of a simulated disk, as one process sees them.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use assay_node::disk::{Files, Lock, Log};

use super::Disk;
use super::platter::{Platter, missing};

/// A disk in use by one process, until it is killed or the power cut.
#[derive(Clone, Debug)]
pub struct Mount {
    disk: Disk,
    period: u64,
}

/// Gives a file back that was locked.
#[derive(Debug)]
struct Locked {
    mount: Mount,
    file: usize,
}

impl Drop for Locked {
    fn drop(&mut self) {
        let mut platter = self.mount.disk.lock();
        // Another process may have it since.
        if platter.period == self.mount.period {
            platter.locked.remove(&self.file);
        }
    }
}

/// An open file.
#[derive(Debug)]
struct Open {
    mount: Mount,
    path: PathBuf,
    file: usize,
    _lock: Option<Locked>,
}

impl Mount {
    pub(super) fn new(disk: Disk, period: u64) -> Self {
        Self { disk, period }
    }

    pub(super) fn period(&self) -> u64 {
        self.period
    }

    /// One operation.
    fn operate(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let mut platter = self.disk.lock();
        platter.operate(self.period)?;
        Ok(platter)
    }

    /// One read.
    fn reading(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let mut platter = self.disk.lock();
        platter.read(self.period)?;
        Ok(platter)
    }

    /// Takes a file for this process alone; `None` while somebody has it.
    fn take(&self, platter: &mut Platter, file: usize) -> Option<Locked> {
        let mount = self.clone();
        let taken = platter.locked.insert(file);
        // Not made before: dropping it would give back what somebody else has.
        taken.then(|| Locked { mount, file })
    }

    fn open_or_create(&self, path: &Path) -> io::Result<usize> {
        self.create_dir(path.parent().unwrap_or(Path::new("")))?;
        let mut platter = self.operate()?;
        match platter.file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => platter.create(path),
            found => found,
        }
    }
}

impl Files for Mount {
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = self.operate()?.create(path)?;
        let (mount, path) = (self.clone(), path.to_owned());
        let mut open = Open {
            mount,
            path,
            file,
            _lock: None,
        };
        open.append(bytes)?;
        open.sync()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate()?.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate()?.remove(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let platter = self.reading()?;
        let inode = platter.inodes.get(platter.file(path)?);
        Ok(inode.ok_or_else(missing)?.live.clone())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(OsString, u64)>> {
        let found = self.reading()?.list(dir)?;
        let named = |(path, length): (PathBuf, u64)| Some((path.file_name()?.to_owned(), length));
        Ok(found.into_iter().filter_map(named).collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate()?.create_folder(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut platter = self.disk.lock();
        if platter.sync(self.period, dir)? {
            platter.list(dir)?;
            platter.sync_names(dir);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let file = self.open_or_create(path)?;
        let lock = self.take(&mut *self.operate()?, file);
        let lock = lock.ok_or(io::ErrorKind::ResourceBusy)?;
        Ok(Some(Lock::new(lock)))
    }

    fn log(&self, path: &Path) -> io::Result<Box<dyn Log>> {
        let file = self.open_or_create(path)?;
        let (mount, path) = (self.clone(), path.to_owned());
        Ok(Box::new(Open {
            mount,
            path,
            file,
            _lock: None,
        }))
    }

    fn locked_log(&self, path: &Path, create: bool) -> io::Result<Option<Box<dyn Log>>> {
        let file = match create {
            true => self.open_or_create(path)?,
            false => self.operate()?.file(path)?,
        };
        let Some(lock) = self.take(&mut *self.operate()?, file) else {
            return Ok(None);
        };
        let (mount, path) = (self.clone(), path.to_owned());
        Ok(Some(Box::new(Open {
            mount,
            path,
            file,
            _lock: Some(lock),
        })))
    }
}

impl Log for Open {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let platter = self.mount.reading()?;
        let inode = platter.inodes.get(self.file).ok_or_else(missing)?;
        Ok(inode.live.clone())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.mount.operate()?.append(self.file, bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut platter = self.mount.operate()?;
        let inode = platter.inodes.get_mut(self.file).ok_or_else(missing)?;
        inode.resize(length);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut platter = self.mount.disk.lock();
        if platter.sync(self.mount.period, &self.path)? {
            let inode = platter.inodes.get_mut(self.file).ok_or_else(missing)?;
            inode.sync();
        }
        Ok(())
    }
}
