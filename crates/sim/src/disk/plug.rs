//! A file of a simulated disk, as the chain store uses its own.

use std::io;
use std::path::Path;
use std::sync::MutexGuard;

use super::Disk;
use super::inode::Inode;
use super::platter::{Platter, missing};

/// A file in use by one process, until it is killed or the power cut.
#[derive(Debug)]
pub struct Plug {
    disk: Disk,
    file: usize,
    period: u64,
}

impl Plug {
    pub(super) fn new(disk: Disk, file: usize, period: u64) -> Self {
        Self { disk, file, period }
    }

    /// One operation on the file.
    fn operate<T>(&self, change: impl FnOnce(&mut Inode) -> io::Result<T>) -> io::Result<T> {
        let mut platter = self.disk.lock();
        platter.operate(self.period)?;
        change(self.inode(&mut platter)?)
    }

    fn inode<'a>(&self, platter: &'a mut MutexGuard<'_, Platter>) -> io::Result<&'a mut Inode> {
        platter.inodes.get_mut(self.file).ok_or_else(missing)
    }
}

fn outside() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "outside the disk")
}

/// The bytes from `offset`, so many of them, as positions.
fn span(offset: u64, length: usize) -> io::Result<std::ops::Range<usize>> {
    let from = usize::try_from(offset).map_err(|_| outside())?;
    let to = from.checked_add(length).ok_or_else(outside)?;
    Ok(from..to)
}

impl redb::StorageBackend for Plug {
    fn len(&self) -> io::Result<u64> {
        self.operate(|inode| Ok(inode.live.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut platter = self.disk.lock();
        platter.read(self.period)?;
        let live = &self.inode(&mut platter)?.live;
        let read = live.get(span(offset, out.len())?);
        out.copy_from_slice(read.ok_or_else(outside)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = span(len, 0)?.start;
        self.operate(|inode| {
            inode.resize(len);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.disk.lock();
        // A plug knows no name; a disk that pretends to sync its files does so with all of them.
        if platter.sync(self.period, Path::new(""))? {
            self.inode(&mut platter)?.sync();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate(|inode| {
            let span = span(offset, data.len())?;
            let place = inode.live.get_mut(span.clone()).ok_or_else(outside)?;
            place.copy_from_slice(data);
            inode.touch(span.start, span.end);
            Ok(())
        })
    }
}
