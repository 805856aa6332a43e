//! A disk that keeps what was synced apart from what was only written.
//!
//! The chain store writes to a [`Plug`]. When the power is cut, what was written since the last sync
//! is forgotten, and every plug that was in use goes dead: whatever still holds one can write no
//! more. The files of the engine itself are kept by the runtime in the same way.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that a sync carries over at a time.
const PAGE: usize = 4_096;

/// A disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    live: Vec<u8>,
    synced: Vec<u8>,
    /// Pages of `live` that `synced` does not have.
    written: BTreeSet<usize>,
    /// Counts the cuts; a plug works only in its own period.
    period: u64,
    /// Syncs until the power fails by itself.
    fuse: Option<u64>,
}

/// A disk in use, until the power is next cut.
#[derive(Debug)]
pub struct Plug {
    disk: Disk,
    period: u64,
}

impl Disk {
    /// The disk for use by one process.
    pub fn plug(&self) -> Plug {
        Plug {
            disk: self.clone(),
            period: self.lock().period,
        }
    }

    /// Cuts the power.
    pub fn cut(&self) {
        self.lock().cut();
    }

    /// Cuts the power when so many syncs more have been asked for, in place of the last of them.
    pub fn cut_at_sync(&self, syncs: u64) {
        self.lock().fuse = Some(syncs);
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platter {
    fn cut(&mut self) {
        self.live.clone_from(&self.synced);
        self.written.clear();
        self.period += 1;
        self.fuse = None;
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.fuse {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.cut();
                return Err(dead());
            }
        }
        self.synced.resize(self.live.len(), 0);
        for page in std::mem::take(&mut self.written) {
            let from = page * PAGE;
            let to = (from + PAGE).min(self.live.len());
            if let (Some(synced), Some(live)) =
                (self.synced.get_mut(from..to), self.live.get(from..to))
            {
                synced.copy_from_slice(live);
            }
        }
        Ok(())
    }

    fn touch(&mut self, from: usize, to: usize) {
        if to > from {
            self.written.extend(from / PAGE..=(to - 1) / PAGE);
        }
    }
}

impl Plug {
    /// The disk, while this plug is in it.
    fn platter(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let platter = self.disk.lock();
        match platter.period == self.period {
            true => Ok(platter),
            false => Err(dead()),
        }
    }
}

fn dead() -> io::Error {
    io::Error::other("the power was cut")
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
        Ok(self.platter()?.live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter()?;
        let read = platter.live.get(span(offset, out.len())?);
        out.copy_from_slice(read.ok_or_else(outside)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.platter()?;
        let (before, len) = (platter.live.len(), span(len, 0)?.start);
        platter.live.resize(len, 0);
        platter.touch(before.min(len), len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.platter()?.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.platter()?;
        let span = span(offset, data.len())?;
        platter.touch(span.start, span.end);
        let place = platter.live.get_mut(span).ok_or_else(outside)?;
        place.copy_from_slice(data);
        Ok(())
    }
}
