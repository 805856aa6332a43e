//! A disk that keeps what was synced apart from what was only written.
//!
//! It has folders and files, for what asks for [`Files`](assay_node::disk::Files), and each file can
//! be used as the chain store uses its own ([`Plug`]). Whoever uses it holds a [`Mount`] or a plug;
//! when the power is cut, or the process killed, these go dead.
//!
//! What a loss of power leaves follows from the disk's seed:
//!
//! - **Bytes** are durable once their file was synced. Of those written since, any part may survive:
//!   none, all, a beginning, or any of its sectors of [`SECTOR`] bytes in any order. A sector survives
//!   whole or not at all; one that the file did not have before reads as zeros.
//! - **Names** are durable once their folder was synced, and so is the absence of those that are
//!   gone. Each change since survives or not, one without the other; without its folder a name leads
//!   nowhere.
//!
//! The power can be cut at any operation ([`Disk::cut_after`]) or sync, and the process killed at any
//! operation. A disk can also fail to read, be full, rot, or pretend to have synced: with the latter,
//! tests show that they would notice. `docs/decisions/0296-one-disk-that-forgets.md` says why there is
//! one for all.

mod inode;
mod mount;
mod platter;
mod plug;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platter::Platter;

pub use mount::Mount;
pub use plug::Plug;

/// Bytes that survive together.
pub const SECTOR: usize = 512;

/// A disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    /// An empty disk; what is left to chance follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Platter::new(seed))))
    }

    /// Another disk that holds what this one would hold if it were synced: a backup.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().copy())))
    }

    /// Puts what a backup holds in the place of all that is on the disk; whoever uses it is killed.
    pub fn restore(&self, backup: &Disk) {
        let kept = backup.lock().copy();
        self.lock().restore(kept);
    }

    /// The disk for use by one process.
    pub fn mount(&self) -> Mount {
        Mount::new(self.clone(), self.lock().period)
    }

    /// One file, whose name is durable, for use by one process.
    pub fn plug(&self, path: impl AsRef<Path>) -> Plug {
        let mut platter = self.lock();
        let file = platter.format(path.as_ref());
        Plug::new(self.clone(), file, platter.period)
    }

    /// Cuts the power.
    pub fn cut(&self) {
        self.lock().cut();
    }

    /// Kills the process that uses the disk: its locks are given back, and nothing is forgotten.
    pub fn kill(&self) {
        self.lock().kill();
    }

    /// Cuts the power in place of the operation that comes after so many more.
    pub fn cut_after(&self, operations: u64) {
        self.lock().left = Some(operations);
    }

    /// Kills the process in place of the operation that comes after so many more.
    pub fn kill_after(&self, operations: u64) {
        self.lock().kill_left = Some(operations);
    }

    /// Cuts the power when so many syncs more have been asked for, in place of the last of them.
    pub fn cut_at_sync(&self, syncs: u64) {
        self.lock().syncs_left = Some(syncs.saturating_sub(1));
    }

    /// Lets the read that comes after so many more fail, and those after it work again.
    pub fn fail_read_after(&self, reads: u64) {
        self.lock().reads_left = Some(reads);
    }

    /// Bytes that its files may come to; what more is written fails, in part.
    pub fn hold_at_most(&self, bytes: u64) {
        self.lock().capacity = bytes;
    }

    /// Only pretends to sync the files and folders for which `of` says so.
    pub fn leave_out_syncs(&self, of: impl Fn(&Path) -> bool + Send + Sync + 'static) {
        self.lock().deaf_to = Some(Arc::new(of));
    }

    /// Operations since it was made.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Whether the power was cut since `mount` was made, or its process killed.
    pub fn is_dead(&self, mount: &Mount) -> bool {
        self.lock().period != mount.period()
    }

    /// Files as a process would see them.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        self.lock().files()
    }

    /// Flips one bit of a file for good; `false` if it has no such byte.
    pub fn rot(&self, path: &Path, byte: usize) -> bool {
        self.lock().rot(path, byte)
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
