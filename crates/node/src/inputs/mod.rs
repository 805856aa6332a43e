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
    sync::{Arc, Mutex, PoisonError, Weak},
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

/// Where one input is, if somebody holds it. Whoever fetches it has it locked, and others wait.
type Slot = Arc<tokio::sync::Mutex<Weak<Spooled>>>;

/// The inputs that this node has, each in a file of one folder.
pub struct InputStore {
    folder: PathBuf,
    /// Bytes of the disk that are left to everything else.
    kept_free: u64,
    slots: Mutex<BTreeMap<Name, Slot>>,
}

impl InputStore {
    /// Inputs in `folder`, which is made when the first one comes.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            kept_free: KEPT_FREE,
            slots: Mutex::default(),
        }
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
        let spooled = match held.upgrade() {
            Some(spooled) => {
                let opened = spooled.opens_with(&key);
                opened.map_err(|error| FetchFailure::Corrupt(told(&error)))?;
                spooled
            }
            None => {
                let spooled = Arc::new(self.bring(transport, record, key).await?);
                *held = Arc::downgrade(&spooled);
                spooled
            }
        };
        drop(held);
        if content.is_some_and(|content| content != spooled.content()) {
            spooled.discard();
            let text = "its content is not the one named".to_owned();
            return Err(FetchFailure::Corrupt(text));
        }
        let content = spooled.content();
        let handle = Handle::new(spooled, content, Source::Vault(record.id));
        Ok(handle.of(record.owner))
    }

    fn slot(&self, name: Name) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody holds or waits for.
        slots.retain(|_, slot| {
            let unused = slot.try_lock().is_ok_and(|held| held.strong_count() == 0);
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
        let spool = Spool::open(&self.folder, record.id).map_err(disk)?;
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
        match room(&self.folder) {
            Ok(free) if free.saturating_sub(self.kept_free) < missing => {
                Err(FetchFailure::TooLarge(format!(
                    "{} of a file are missing, {} has {} of room, and {} of it are kept free",
                    Bytes(missing),
                    self.folder.display(),
                    Bytes(free),
                    Bytes(self.kept_free),
                )))
            }
            // A disk that does not tell is found to be full when it is.
            _ => Ok(()),
        }
    }

    /// No order needs these files of `owner` any more: each goes when its last handle is dropped.
    pub async fn release(&self, owner: AccountId, files: &[FileId]) {
        for file in files {
            let slot = self.slot((*file, owner));
            match slot.lock().await.upgrade() {
                Some(spooled) => spooled.discard(),
                None => self.remove(|name| name == file.to_string()),
            };
        }
    }

    /// Removes every file that is not one of `needed` and that no process is at: what an order left
    /// that ended while this node was down.
    pub fn sweep(&self, needed: &BTreeSet<FileId>) {
        let needed: BTreeSet<String> = needed.iter().map(FileId::to_string).collect();
        self.remove(|name| !needed.contains(name));
    }

    fn remove(&self, which: impl Fn(&str) -> bool) {
        let found = spool::list(&self.folder).unwrap_or_else(|error| {
            warn!(reason = told(&error), folder = %self.folder.display(), "inputs cannot be listed");
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
