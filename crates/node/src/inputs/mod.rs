//! The inputs of orders on this machine: fetched once, kept sealed on the disk, and read in place.
//!
//! An input may be as long as a disk is large, so it is never in memory as a whole. What storage
//! nodes give goes to a file as it comes, encrypted ([`Spool`]); a handle on it opens one slice at a
//! time, compared with the manifest at every read ([`assay_vault::InPlace`]). So the plaintext is on
//! no disk, and a file that is changed, cut or exchanged under us is an error and never another
//! input. All parties of this node that need an input share one file. A process that was killed goes
//! on with what it had, after comparing all of it.

mod spooled;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use assay_crypto::{Digest, aead::FileKey};
use assay_job::Bytes;
use assay_ledger::{AccountId, FileId, FileRecord};
use assay_proof::{FetchFailure, Handle, Source};
use assay_vault::{
    UnsealError,
    download::{DownloadConfig, DownloadError},
};
use tracing::warn;

pub use self::spooled::{Passage, Spooled};
use crate::{
    files::{
        self,
        spool::{self, Spool},
    },
    needs::{LEAST_ROOM, room},
    told,
    transport::Transport,
};

/// Bytes of the disk that inputs leave to everything else: a node stops below [`LEAST_ROOM`].
const KEPT_FREE: u64 = 4 * LEAST_ROOM;

/// A file of the vault as its owner recorded it.
type Name = (FileId, AccountId);

/// Where one input is. Whoever fetches it has it locked, and others wait.
type Slot = Arc<tokio::sync::Mutex<Held>>;

/// An input, as long as somebody holds it, and the nodes that have fetched it and not let go of it.
#[derive(Default)]
struct Held {
    spooled: Weak<Spooled>,
    needed_by: BTreeSet<usize>,
}

/// The inputs that a node has, each in a file of one folder. The nodes of one process may share them: an
/// input that several need is then fetched once, and goes when the last one lets go of it.
pub struct InputStore {
    shared: Arc<Shared>,
    /// Which of the nodes.
    node: usize,
}

/// What nodes have in common.
struct Shared {
    folder: PathBuf,
    /// Bytes of the disk that are left to everything else.
    kept_free: u64,
    slots: Mutex<BTreeMap<Name, Slot>>,
    swept: Mutex<Swept>,
}

/// How many nodes there are, how many of them have told what they need, and what that is.
#[derive(Default)]
struct Swept {
    nodes: usize,
    told: usize,
    needed: BTreeSet<String>,
}

impl InputStore {
    /// Inputs in `folder`, which is made when the first one comes.
    pub fn new(folder: PathBuf) -> Self {
        Self::leaving(folder, KEPT_FREE)
    }

    /// [`Self::new`], with so many bytes of the disk left to everything else.
    fn leaving(folder: PathBuf, kept_free: u64) -> Self {
        let swept = Swept {
            nodes: 1,
            ..Swept::default()
        };
        Self {
            shared: Arc::new(Shared {
                folder,
                kept_free,
                slots: Mutex::default(),
                swept: Mutex::new(swept),
            }),
            node: 0,
        }
    }

    /// The same inputs for one more node of this process.
    #[must_use]
    pub fn beside(&self) -> Self {
        let mut swept = self.swept();
        let node = swept.nodes;
        swept.nodes += 1;
        Self {
            shared: self.shared.clone(),
            node,
        }
    }

    fn swept(&self) -> MutexGuard<'_, Swept> {
        let swept = self.shared.swept.lock();
        swept.unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle on the file that `record` describes, which is fetched unless it is here, whole or in
    /// part. It stays while a handle on it is held, and beyond that until [`Self::release`] or
    /// [`Self::sweep`].
    ///
    /// # Errors
    /// [`FetchFailure::Corrupt`] when it does not open under `key` or has another content;
    /// [`FetchFailure::TooLarge`] when the disk has no room for it, of which nothing is left then.
    pub async fn fetch(
        &self,
        transport: &Transport,
        record: &FileRecord,
        key: FileKey,
        content: Option<Digest>,
    ) -> Result<Handle, FetchFailure> {
        let name = (record.id, record.owner);
        let slot = self.slot(name);
        let mut held = slot.lock().await;
        let spooled = match held.spooled.upgrade() {
            Some(spooled) => {
                let opened = spooled.opens_with(&key);
                opened.map_err(|error| FetchFailure::Corrupt(told(&error)))?;
                spooled
            }
            None => {
                let spooled = Arc::new(self.bring(transport, record, key).await?);
                held.spooled = Arc::downgrade(&spooled);
                spooled
            }
        };
        if content.is_some_and(|content| content != spooled.content()) {
            if held.needed_by.is_empty() {
                spooled.discard();
            }
            let text = "its content is not the one named".to_owned();
            return Err(FetchFailure::Corrupt(text));
        }
        held.needed_by.insert(self.node);
        spooled.keep();
        drop(held);
        let content = spooled.content();
        let handle = Handle::new(spooled, content, Source::Vault(record.id));
        Ok(handle.of(record.owner))
    }

    fn slot(&self, name: Name) -> Slot {
        let slots = self.shared.slots.lock();
        let mut slots = slots.unwrap_or_else(PoisonError::into_inner);
        // Those that nobody holds, needs or waits for.
        slots.retain(|_, slot| {
            let unused = slot
                .try_lock()
                .is_ok_and(|held| held.spooled.strong_count() == 0 && held.needed_by.is_empty());
            Arc::strong_count(slot) > 1 || !unused
        });
        slots.entry(name).or_default().clone()
    }

    async fn bring(
        &self,
        transport: &Transport,
        record: &FileRecord,
        key: FileKey,
    ) -> Result<Spooled, FetchFailure> {
        let disk = |error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                FetchFailure::TooLarge(format!("the disk is full: {}", told(&error)))
            }
            _ => FetchFailure::Unavailable(told(&error)),
        };
        let spool = Spool::open(&self.shared.folder, record.id).map_err(disk)?;
        let Some(mut spool) = spool else {
            let text = "other processes are fetching it".to_owned();
            return Err(FetchFailure::Unavailable(text));
        };
        let here = spool.length().map_err(disk)?;
        if let Err(failure) = self.has_room(record, here) {
            forget(spool);
            return Err(failure);
        }
        let config = DownloadConfig::default();
        let fetched = files::fetch(transport, config, record, key.clone(), &mut spool).await;
        match fetched {
            Ok((found, _)) => Spooled::new(spool, record, key, found.digest).map_err(disk),
            // What came stays, to go on with.
            Err(error @ DownloadError::Missing { .. }) => {
                Err(FetchFailure::Unavailable(told(&error)))
            }
            Err(DownloadError::Unseal(UnsealError::Sink(error))) => {
                let failure = disk(error);
                if let FetchFailure::TooLarge(_) = &failure {
                    forget(spool);
                }
                Err(failure)
            }
            Err(error) => {
                forget(spool);
                Err(FetchFailure::Corrupt(told(&error)))
            }
        }
    }

    /// Whether the rest of a file has room on the disk, with some to spare for everything else.
    fn has_room(&self, record: &FileRecord, here: u64) -> Result<(), FetchFailure> {
        let missing = files::sealed_length(record.length_class).saturating_sub(here);
        let (folder, kept_free) = (&self.shared.folder, self.shared.kept_free);
        match room(folder) {
            Ok(free) if free.saturating_sub(kept_free) < missing => {
                Err(FetchFailure::TooLarge(format!(
                    "{} of a file are missing, {} has {} of room, and {} of it are kept free",
                    Bytes(missing),
                    folder.display(),
                    Bytes(free),
                    Bytes(kept_free),
                )))
            }
            // A disk that does not tell is found to be full when it is.
            _ => Ok(()),
        }
    }

    /// No order of this node needs these files of `owner` any more: each goes when its last handle is
    /// dropped, unless another node needs it.
    pub async fn release(&self, owner: AccountId, files: &[FileId]) {
        for file in files {
            let slot = self.slot((*file, owner));
            let mut held = slot.lock().await;
            held.needed_by.remove(&self.node);
            if !held.needed_by.is_empty() {
                continue;
            }
            match held.spooled.upgrade() {
                Some(spooled) => spooled.discard(),
                None => self.remove(|name| name == file.to_string()),
            };
        }
    }

    /// Removes every file that is not one of `needed` and that no process is at: what an order left
    /// that ended while this node was down. Nodes that share their inputs all say what they need before
    /// anything is removed.
    pub fn sweep(&self, needed: &BTreeSet<FileId>) {
        let mut swept = self.swept();
        swept.told += 1;
        swept.needed.extend(needed.iter().map(FileId::to_string));
        if swept.told < swept.nodes {
            return;
        }
        let needed = std::mem::take(&mut swept.needed);
        drop(swept);
        self.remove(|name| !needed.contains(name));
    }

    fn remove(&self, which: impl Fn(&str) -> bool) {
        let found = spool::list(&self.shared.folder).unwrap_or_else(|error| {
            warn!(reason = told(&error), folder = %self.shared.folder.display(), "inputs cannot be listed");
            Vec::new()
        });
        let gone = found
            .iter()
            .filter(|kept| !kept.running && which(&kept.file));
        for kept in gone {
            if let Err(error) = fs::remove_file(&kept.path) {
                warn!(reason = told(&error), file = %kept.path.display(), "an input stays");
            }
        }
    }
}

fn forget(spool: Spool) {
    if let Err(error) = spool.forget() {
        warn!(
            reason = told(&error),
            "what was fetched of an input stays on the disk"
        );
    }
}
