//! Where the state lies: ordered pairs of bytes.

use std::collections::BTreeMap;

/// A state to read from. `chain` implements it over its database, [`MemoryStore`] in memory.
///
/// A store that cannot read reports that by its own means and answers `None`; whoever executes
/// on it asks before trusting the outcome.
pub trait Store {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// All pairs whose key starts with `prefix`, in ascending order of keys.
    fn range(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)>;
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
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.pairs.get(key).cloned()
    }

    fn range(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.pairs
            .range(prefix.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}
