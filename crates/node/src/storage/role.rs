//! A storage node's vault behind asynchronous calls.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use assay_crypto::PublicKey;
use assay_job::Bytes;
use assay_ledger::LedgerTime;
use assay_vault::{
    storage::{Keeper, OpenError, Record, Service, StorageConfig, Usage},
    wire::{Refusal, Request, Response},
};
use tokio::sync::Semaphore;
use tracing::warn;

use super::{DirectoryBackend, Neighbours};
use crate::{clock, metrics, needs};

/// Requests waiting for the disk at once; further ones are told to come back.
const MAX_WAITING: usize = 64;

/// Why the storage role could not start.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The directory could not be used, or another process has it.
    #[error("the storage directory {path} cannot be used")]
    Directory {
        /// The directory.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What is in it could not be taken over.
    #[error("the storage directory could not be taken over")]
    Open(#[source] OpenError),
}

/// Room on the disk that stays free whatever the quota: a node needs some to go on, and to start
/// again.
const RESERVE: u64 = 2 * needs::LEAST_ROOM;

/// Answers storage requests; cheap to clone.
#[derive(Clone)]
pub struct StorageRole {
    dir: Arc<Path>,
    reserve: u64,
    /// `None` once closed.
    service: Arc<Mutex<Option<Service<DirectoryBackend>>>>,
    waiting: Arc<Semaphore>,
    /// One at a time, in the order they came: whoever asks what is here hears of what it sent
    /// before.
    turn: Arc<Semaphore>,
}

impl StorageRole {
    /// Takes over the pieces in `dir`, creating it if needed. Blocks on the disk.
    ///
    /// # Errors
    /// [`StorageError`] when the disk does not answer.
    pub fn open(dir: &Path, config: StorageConfig) -> Result<Self, StorageError> {
        Self::open_among(dir, config, Arc::default())
    }

    /// [`Self::open`] among other storage nodes of this process, with which it shares the files of equal
    /// pieces.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_among(
        dir: &Path,
        config: StorageConfig,
        neighbours: Arc<Neighbours>,
    ) -> Result<Self, StorageError> {
        let backend = DirectoryBackend::open(dir).map_err(|source| StorageError::Directory {
            path: dir.to_owned(),
            source,
        })?;
        let backend = backend.among(neighbours);
        let (service, damaged) =
            Service::open(config, backend, clock::now()).map_err(StorageError::Open)?;
        for row in damaged {
            warn!(%row, dir = %dir.display(), "a list of pieces is damaged and was left out");
        }
        let role = Self {
            dir: dir.into(),
            reserve: RESERVE,
            service: Arc::new(Mutex::new(Some(service))),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            turn: Arc::new(Semaphore::new(1)),
        };
        let usage = role.usage();
        metrics::stored(usage.used);
        let room = role.room();
        if usage.used > config.capacity {
            warn!(
                "the quota is {}, but {} are stored already: nothing more is taken",
                Bytes(config.capacity),
                Bytes(usage.used)
            );
        } else if usage.free > room {
            warn!(
                "the quota leaves {}, but the disk only has room for {}: no more than that is taken",
                Bytes(usage.free),
                Bytes(room)
            );
        }
        Ok(role)
    }

    /// Bytes that may still be written, whatever the quota. A disk that does not tell is found out
    /// about when it is written to.
    fn room(&self) -> u64 {
        needs::room(&self.dir).map_or(u64::MAX, |room| room.saturating_sub(self.reserve))
    }

    /// Answers one request of an account whose key the transport has checked.
    pub async fn handle(&self, from: PublicKey, request: Request) -> Response {
        let Ok(_place) = self.waiting.try_acquire() else {
            return Response::Refused(Refusal::Busy);
        };
        let role = self.clone();
        self.on_disk(move |service| {
            let room = role.room();
            let needed = match &request {
                Request::Put { piece, .. } => piece.len() as u64,
                _ => 0,
            };
            if needed > room {
                return Response::Refused(Refusal::Full { free: room });
            }
            match service.handle(clock::now(), from, request) {
                Response::Free { bytes } => Response::Free {
                    bytes: bytes.min(room),
                },
                Response::Room {
                    free,
                    pending,
                    allowed,
                    price,
                } => Response::Room {
                    free: free.min(room),
                    pending,
                    allowed,
                    price,
                },
                other => other,
            }
        })
        .await
        .unwrap_or(Response::Refused(Refusal::DiskFailed))
    }

    /// From now on files are accepted in this name; without one, none are.
    pub async fn keep_as(&self, keeper: Keeper) {
        self.on_disk(move |service| service.keep_as(keeper)).await;
    }

    /// The newest block has this ledger time.
    pub async fn ledger_time(&self, time: LedgerTime) {
        self.on_disk(move |service| service.ledger_time(time)).await;
    }

    /// The ledger has this record, which places its file on this node: the pieces stay.
    pub async fn recorded(&self, record: Record) {
        self.on_disk(move |service| service.recorded(clock::now(), record))
            .await;
    }

    /// The ledger no longer has this record.
    pub async fn expired(&self, record: Record) {
        self.on_disk(move |service| service.expired(clock::now(), record))
            .await;
    }

    /// Removes what no recorded file needs. Only while this node's view of the ledger is current.
    pub async fn collect(&self) {
        self.on_disk(|service| service.collect(clock::now())).await;
    }

    /// How full the node is; empty once closed.
    pub fn usage(&self) -> Usage {
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        service.as_ref().map(Service::usage).unwrap_or_default()
    }

    /// Gives the directory back when what is under way is done; requests are refused from then on.
    pub async fn close(&self) {
        let service = self.service.clone();
        let take = move || {
            drop(
                service
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            );
        };
        // Only a panic in it could fail, and there is none.
        let _ = tokio::task::spawn_blocking(take).await;
    }

    /// Runs on a thread that may block; `None` if the role is closed, or that thread panicked.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Service<DirectoryBackend>) -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.turn.clone().acquire_owned().await.ok()?;
        let service = self.service.clone();
        let work = move || {
            let _turn = turn;
            let mut service = service.lock().unwrap_or_else(PoisonError::into_inner);
            let service = service.as_mut()?;
            let result = work(service);
            metrics::stored(service.usage().used);
            Some(result)
        };
        tokio::task::spawn_blocking(work).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use assay_crypto::SecretKey;
    use assay_vault::Piece;

    use super::*;

    /// A quota larger than the disk does not fill the disk.
    #[tokio::test]
    async fn no_more_is_offered_or_taken_than_the_disk_has_room_for() {
        let dir = tempfile::tempdir().unwrap();
        let account = SecretKey::from_seed([1; 32]).public();
        let mut role = StorageRole::open(dir.path(), StorageConfig::new(1 << 60)).unwrap();
        let disk = needs::room(dir.path()).unwrap();
        let Response::Room { free, .. } = role.handle(account, Request::Room).await else {
            panic!("no room is told");
        };
        assert!(free <= disk, "{free} of {disk}");
        let piece = Piece::new(vec![7; 100]).unwrap();
        let digest = piece.digest();
        let put = Request::Put { digest, piece };
        role.reserve = u64::MAX;
        let full = Response::Refused(Refusal::Full { free: 0 });
        assert_eq!(role.handle(account, put.clone()).await, full);
        let free = role.handle(account, Request::Free).await;
        assert_eq!(free, Response::Free { bytes: 0 });
        role.reserve = 0;
        let stored = Response::Stored { digest };
        assert_eq!(role.handle(account, put).await, stored);
        role.close().await;
    }
}
