//! A consistent view of the finalized state at one height.

use redb::{ReadOnlyTable, ReadTransaction};

use super::StoreError;
use super::tables::{NODES, STATE};
use crate::header::Header;
use assay_crypto::Digest;
use assay_ledger::{Pairs, ReadError};

type Bytes = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The ledger state after one finalized block. Later blocks do not change it; holding it keeps
/// its pages on disk, so drop it when done.
pub struct Snapshot {
    header: Header,
    digest: Digest,
    state: Bytes,
    nodes: Bytes,
}

impl Snapshot {
    pub(crate) fn new(transaction: &ReadTransaction, header: Header) -> Result<Self, StoreError> {
        Ok(Self {
            digest: header.digest(),
            header,
            state: transaction.open_table(STATE)?,
            nodes: transaction.open_table(NODES)?,
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
}

fn read(table: &Bytes, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
    let found = table.get(key).map_err(failed)?;
    Ok(found.map(|value| value.value().to_vec()))
}

fn failed(error: redb::StorageError) -> ReadError {
    ReadError::new(StoreError::from(error))
}

impl assay_ledger::root::TreeStore for Snapshot {
    fn node(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        read(&self.nodes, key)
    }
}

impl assay_ledger::Store for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        read(&self.state, key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Pairs, ReadError> {
        let mut found = Vec::new();
        let from = prefix.max(from);
        for row in self.state.range::<&[u8]>(from..).map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            if found.len() == limit || !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(found)
    }
}
