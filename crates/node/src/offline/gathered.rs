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
    /// The latest record of each file by each owner, also of those that have ended.
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
        let records = self.records.entry(record.id).or_default();
        records.retain(|of| of.owner != record.owner);
        records.push(record);
    }

    /// The record of a file by its owner.
    pub(super) fn record(
        &self,
        file: FileId,
        owner: AccountId,
    ) -> Result<&FileRecord, OfflineError> {
        let found = self.records(file).iter().find(|of| of.owner == owner);
        found.ok_or_else(|| OfflineError::File {
            file,
            reason: format!("{owner} recorded no such file"),
        })
    }

    /// Every record of a file.
    pub(super) fn records(&self, file: FileId) -> &[FileRecord] {
        self.records.get(&file).map_or(&[], Vec::as_slice)
    }
}
