//! A consistent view of the finalized state at one height.

use std::sync::OnceLock;

use redb::{ReadOnlyTable, ReadTransaction};

use super::StoreError;
use super::tables::{NODES, STATE};
use crate::header::Header;
use assay_crypto::Digest;

type Bytes = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The ledger state after one finalized block. Later blocks do not change it; holding it keeps
/// its pages on disk, so drop it when done.
pub struct Snapshot {
    header: Header,
    digest: Digest,
    state: Bytes,
    nodes: Bytes,
    failure: OnceLock<String>,
}

impl Snapshot {
    pub(crate) fn new(transaction: &ReadTransaction, header: Header) -> Result<Self, StoreError> {
        Ok(Self {
            digest: header.digest(),
            header,
            state: transaction.open_table(STATE)?,
            nodes: transaction.open_table(NODES)?,
            failure: OnceLock::new(),
        })
    }

    /// The finalized block this is the state after.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Digest of [`Self::header`].
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The first disk error met by a read, if any: reads then answered as if keys were absent,
    /// and nothing derived from them may be used.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    fn note_failure(&self, error: impl std::fmt::Display) {
        let _ = self.failure.set(error.to_string());
    }

    fn read(&self, table: &Bytes, key: &[u8]) -> Option<Vec<u8>> {
        match table.get(key) {
            Ok(found) => found.map(|value| value.value().to_vec()),
            Err(error) => {
                self.note_failure(error);
                None
            }
        }
    }
}

impl assay_ledger::root::TreeStore for Snapshot {
    fn node(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.read(&self.nodes, key)
    }
}

impl assay_ledger::Store for Snapshot {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.read(&self.state, key)
    }

    fn range(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = match self.state.range::<&[u8]>(prefix..) {
            Ok(rows) => rows,
            Err(error) => {
                self.note_failure(error);
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for row in rows {
            match row {
                Ok((key, value)) if key.value().starts_with(prefix) => {
                    found.push((key.value().to_vec(), value.value().to_vec()));
                }
                Ok(_) => break,
                Err(error) => {
                    self.note_failure(error);
                    break;
                }
            }
        }
        found
    }
}
