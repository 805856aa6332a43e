//! A party's journal on a disk that forgets what was not synced.
//!
//! Entries lie one behind the other, each behind its length in 4 bytes. A sync is the moment at which an
//! entry is kept; the power can be cut in its place.

use std::io;
use std::path::{Path, PathBuf};

use assay_node::drive::{Log, Memory};
use redb::StorageBackend as _;

use crate::disk::{Disk, Plug};

/// A journal in use by one life of a party.
pub(super) struct Journal {
    name: PathBuf,
    plug: Plug,
}

/// Opens the journal on a disk, with the entries that were kept.
pub(super) fn open(name: &str, disk: &Disk) -> io::Result<Memory<Journal>> {
    let plug = disk.plug();
    let mut bytes = vec![0; usize::try_from(plug.len()?).map_err(io::Error::other)?];
    plug.read(0, &mut bytes)?;
    let mut past = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let (entry, behind) = behind
            .split_at_checked(length)
            .ok_or_else(|| io::Error::other("half an entry was kept"))?;
        past.push(entry.to_vec());
        rest = behind;
    }
    let name = PathBuf::from(name);
    Ok(Memory {
        journal: Journal { name, plug },
        past,
    })
}

impl Log for Journal {
    fn append(&mut self, entry: &[u8]) -> io::Result<()> {
        let length = u32::try_from(entry.len()).map_err(io::Error::other)?;
        let record = [&length.to_le_bytes(), entry].concat();
        let end = self.plug.len()?;
        self.plug.set_len(end + record.len() as u64)?;
        self.plug.write(end, &record)?;
        self.plug.sync_data()
    }

    fn path(&self) -> &Path {
        &self.name
    }
}
