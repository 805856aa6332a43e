//! The disk of a storage node, as the vault needs it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use assay_crypto::Digest;

/// Two places on the disk that must not be mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// Pieces, under their own digests.
    Pieces,
    /// Which pieces form which file.
    Holdings,
}

/// Why a disk did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// No space left.
    #[error("the disk is full; free some space or lower the node's capacity")]
    Full,
    /// Anything else, in the words of the operating system.
    #[error("the disk failed: {0}")]
    Failed(String),
}

/// Keeps bytes under digests. `docs/vault.md` says what an implementation on files must do so that
/// a crash leaves either the whole value or none.
pub trait Backend {
    /// Keeps `bytes` under `digest`, replacing what was there; durable when it returns.
    ///
    /// # Errors
    /// [`BackendError`]; the old value, or none, must still be there.
    fn put(&self, shelf: Shelf, digest: &Digest, bytes: &[u8]) -> Result<(), BackendError>;

    /// What is kept under `digest`, if anything. Need not check it: the storage node does.
    ///
    /// # Errors
    /// [`BackendError`] when the disk does not answer.
    fn get(&self, shelf: Shelf, digest: &Digest) -> Result<Option<Vec<u8>>, BackendError>;

    /// Removes what is kept under `digest`; success if there was nothing.
    ///
    /// # Errors
    /// [`BackendError`] when it is still there.
    fn delete(&self, shelf: Shelf, digest: &Digest) -> Result<(), BackendError>;

    /// Every digest kept, with the length of its value, in any order.
    ///
    /// # Errors
    /// [`BackendError`] when the disk does not answer.
    fn list(&self, shelf: Shelf) -> Result<Vec<(Digest, u64)>, BackendError>;
}

/// A disk in memory: for tests, simulations and throw-away networks.
#[derive(Debug, Default)]
pub struct MemoryBackend(Mutex<BTreeMap<(Shelf, Digest), Vec<u8>>>);

impl MemoryBackend {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn values(&self) -> MutexGuard<'_, BTreeMap<(Shelf, Digest), Vec<u8>>> {
        // Every operation is one call on the map, so a panicking holder left it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for MemoryBackend {
    fn put(&self, shelf: Shelf, digest: &Digest, bytes: &[u8]) -> Result<(), BackendError> {
        self.values().insert((shelf, *digest), bytes.to_vec());
        Ok(())
    }

    fn get(&self, shelf: Shelf, digest: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.values().get(&(shelf, *digest)).cloned())
    }

    fn delete(&self, shelf: Shelf, digest: &Digest) -> Result<(), BackendError> {
        self.values().remove(&(shelf, *digest));
        Ok(())
    }

    fn list(&self, shelf: Shelf) -> Result<Vec<(Digest, u64)>, BackendError> {
        Ok(self
            .values()
            .iter()
            .filter(|((on, _), _)| *on == shelf)
            .map(|((_, digest), bytes)| (*digest, bytes.len() as u64))
            .collect())
    }
}

/// References and shared pointers to a disk are that disk.
impl<P: Deref<Target: Backend>> Backend for P {
    fn put(&self, shelf: Shelf, digest: &Digest, bytes: &[u8]) -> Result<(), BackendError> {
        (**self).put(shelf, digest, bytes)
    }

    fn get(&self, shelf: Shelf, digest: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        (**self).get(shelf, digest)
    }

    fn delete(&self, shelf: Shelf, digest: &Digest) -> Result<(), BackendError> {
        (**self).delete(shelf, digest)
    }

    fn list(&self, shelf: Shelf) -> Result<Vec<(Digest, u64)>, BackendError> {
        (**self).list(shelf)
    }
}
