//! Where the state lies: ordered pairs of bytes.

use std::collections::BTreeMap;
use std::error::Error;

use borsh::BorshDeserialize;
use thiserror::Error;

/// Keys with their values.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A state to read from. `chain` implements it over its database, [`MemoryStore`] in memory.
pub trait Store {
    /// The value of `key`; `None` says that the state holds nothing there.
    ///
    /// # Errors
    /// [`ReadError`] when the state cannot be read, which says nothing about what it holds.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// The first `limit` pairs whose key starts with `prefix` and is not below `from`, in ascending
    /// order of keys.
    ///
    /// # Errors
    /// [`ReadError`], as for [`Store::get`].
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Pairs, ReadError>;

    /// All pairs whose key starts with `prefix`, in ascending order of keys.
    ///
    /// # Errors
    /// [`ReadError`], as for [`Store::get`].
    fn range(&self, prefix: &[u8]) -> Result<Pairs, ReadError> {
        self.scan(prefix, prefix, usize::MAX)
    }
}

/// A state could not be read: nothing is known about what it holds. An absence is never reported
/// this way, and a failing disk never as an absence.
#[derive(Debug, Error)]
#[error("the ledger's state cannot be read")]
pub struct ReadError(#[source] Box<dyn Error + Send + Sync>);

impl ReadError {
    /// A read that failed for this reason: of a disk, of a node that was asked.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> ReadError {
        ReadError(cause.into())
    }

    /// The reason.
    pub fn into_cause(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }

    /// What lies under `key` is no record of the ledger.
    pub(crate) fn damaged(key: &[u8]) -> ReadError {
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        ReadError::new(format!(
            "the record under key {key} is damaged; restore the data directory or sync anew"
        ))
    }
}

/// Decodes what was read under `key`.
pub(crate) fn decode<T: BorshDeserialize>(key: &[u8], value: &[u8]) -> Result<T, ReadError> {
    T::try_from_slice(value).map_err(|_| ReadError::damaged(key))
}

/// A state in memory, for tests and simulations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemoryStore {
    /// The state holding `pairs`.
    pub fn new(pairs: BTreeMap<Vec<u8>, Vec<u8>>) -> MemoryStore {
        MemoryStore { pairs }
    }

    /// Applies the writes of an executed block; `None` deletes.
    pub fn apply(&mut self, writes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        for (key, value) in writes {
            match value {
                Some(value) => self.pairs.insert(key.clone(), value.clone()),
                None => self.pairs.remove(key),
            };
        }
    }

    /// Every pair.
    pub fn pairs(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.pairs
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.pairs.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Pairs, ReadError> {
        let pairs = self.pairs.range(prefix.max(from).to_vec()..);
        Ok(pairs
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }
}
