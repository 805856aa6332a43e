//! A file of a simulated disk: its bytes as processes see them, and as the disk has them for certain.

use std::collections::BTreeSet;

use assay_crypto::stream::Stream;

use super::SECTOR;

/// A file.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// What processes see.
    pub(super) live: Vec<u8>,
    /// What is left for certain.
    synced: Vec<u8>,
    /// Sectors of `live` that `synced` may not have.
    written: BTreeSet<usize>,
}

impl Inode {
    pub(super) fn length(&self) -> u64 {
        self.live.len() as u64
    }

    /// Bytes of `live` from `from` to `to` were written.
    pub(super) fn touch(&mut self, from: usize, to: usize) {
        if to > from {
            self.written.extend(from / SECTOR..=(to - 1) / SECTOR);
        }
    }

    pub(super) fn resize(&mut self, length: usize) {
        let before = self.live.len();
        self.live.resize(length, 0);
        self.touch(before.min(length), before.max(length));
    }

    /// Flips one bit for good; `false` if there is no such byte.
    pub(super) fn flip(&mut self, byte: usize) -> bool {
        for bytes in [&mut self.synced, &mut self.live] {
            if let Some(byte) = bytes.get_mut(byte) {
                *byte ^= 1;
            }
        }
        byte < self.live.len()
    }

    pub(super) fn sync(&mut self) {
        let written = std::mem::take(&mut self.written);
        self.synced.resize(self.live.len(), 0);
        for sector in written {
            self.keep(sector);
        }
    }

    /// Brings one sector of `live` to the disk, as far as the file there reaches.
    fn keep(&mut self, sector: usize) {
        let from = sector * SECTOR;
        let to = (from + SECTOR).min(self.live.len()).min(self.synced.len());
        if let (Some(synced), Some(live)) = (self.synced.get_mut(from..to), self.live.get(from..to))
        {
            synced.copy_from_slice(live);
        }
    }

    /// Leaves of what was written since the last sync whatever chance says.
    pub(super) fn cut(&mut self, chance: &mut Stream) {
        if !self.written.is_empty() {
            let (before, after) = (self.synced.len(), self.live.len());
            match chance.below(4) {
                0 => {}
                1 => self.sync(),
                // A beginning of what was added, or all that was changed before the new end.
                2 => {
                    let added = after.saturating_sub(before) as u64;
                    let added = usize::try_from(chance.below(added + 1)).unwrap_or(0);
                    self.synced.resize(after.min(before + added), 0);
                    for sector in std::mem::take(&mut self.written) {
                        self.keep(sector);
                    }
                }
                _ => {
                    let length = [before, after][usize::from(chance.below(2) == 0)];
                    self.synced.resize(length, 0);
                    for sector in std::mem::take(&mut self.written) {
                        if chance.below(2) == 0 {
                            self.keep(sector);
                        }
                    }
                }
            }
        }
        self.written.clear();
        self.live.clone_from(&self.synced);
    }
}
