//! What is noted while a chain is executed, since the state forgets it later.

use std::collections::BTreeMap;

use assay_chain::FinalizedBlock;
use assay_ledger::{
    AccountId, Event, FileEvent, FileId, FileRecord, MemoryStore, ReadError, query,
};
use borsh::{BorshDeserialize, BorshSerialize};

use super::error::OfflineError;
use super::rounds::Models;

/// What an audit needs beside the last state.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Gathered {
    /// Models of orders with rounds.
    pub(super) models: Models,
    /// Every record of each file, the latest last, also of those that have ended.
    records: BTreeMap<FileId, Vec<FileRecord>>,
    /// Transactions in the blocks that were executed.
    pub(super) transactions: u64,
}

impl Gathered {
    /// What there is to begin with at a state that is not the genesis'.
    pub(super) fn at(state: &MemoryStore) -> Result<Self, ReadError> {
        let mut gathered = Self::default();
        for record in query::files(state)? {
            gathered.recorded(record);
        }
        gathered.models.begin(state)?;
        Ok(gathered)
    }

    /// Notes what a block brought about; `state` is the one after it.
    pub(super) fn block(
        &mut self,
        block: &FinalizedBlock,
        state: &MemoryStore,
    ) -> Result<(), ReadError> {
        self.transactions += block.transactions.len() as u64;
        let done = block.receipts.iter().flat_map(|of| &of.events);
        for event in block.events.iter().chain(done) {
            match event {
                Event::File(FileEvent::Put { file, owner }) => {
                    if let Some(record) = query::file(state, file, owner)? {
                        self.recorded(record);
                    }
                }
                Event::Order { order, event } => self.models.note(state, order, event)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn recorded(&mut self, record: FileRecord) {
        // An earlier record of another content stays: who ends one may record the file anew, and wrongly.
        let records = self.records.entry(record.id).or_default();
        records.retain(|of| *of != record);
        records.push(record);
    }

    /// The latest record of a file by its owner.
    pub(super) fn record(&self, file: FileId, owner: AccountId) -> Option<&FileRecord> {
        let records = self.records.get(&file)?;
        records.iter().rfind(|of| of.owner == owner)
    }

    /// Reads a file by the first record of it that serves, the latest first: those of one owner, or anybody's.
    pub(super) fn read<T>(
        &self,
        (file, owner): (FileId, Option<AccountId>),
        mut read: impl FnMut(&FileRecord) -> Result<T, OfflineError>,
    ) -> Result<T, OfflineError> {
        let mut failure = None;
        let records = self.records.get(&file).into_iter().flatten().rev();
        for record in records.filter(|of| owner.is_none_or(|owner| of.owner == owner)) {
            match read(record) {
                Ok(found) => return Ok(found),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| OfflineError::File {
            file,
            reason: match owner {
                Some(owner) => format!("{owner} recorded no such file"),
                None => "nobody has recorded it".to_owned(),
            },
        }))
    }
}
