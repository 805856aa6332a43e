//! Which files the ledger records as kept on this node, and when to throw away the rest.

use std::collections::BTreeMap;

use assay_api::{BlockInfo, ChainError, ChainView};
use assay_ledger::{AccountId, Event, FileEvent, FileId, FileRecord, Height, query};
use assay_vault::storage::Record;
use tracing::warn;

use crate::{storage::StorageRole, told};

/// Blocks between two collections of what no recorded file needs.
const COLLECT_EVERY: u64 = 500;

/// Age of the newest block, in milliseconds, above which this node may be cut off: what it does not
/// know to be recorded may be recorded in blocks that it has not seen.
const CURRENT_MS: u64 = 60_000;

/// Follows the ledger for a storage role.
pub(super) struct Shelves {
    me: AccountId,
    /// Everything up to this block is known.
    seen: Option<Height>,
    /// Head at the last collection.
    collected: Height,
    /// The records that place their file here.
    placed: BTreeMap<(FileId, AccountId), Record>,
}

impl Shelves {
    /// For the node of an account whose chain is at `head`.
    pub(super) fn new(me: AccountId, head: Height) -> Self {
        Self {
            me,
            seen: None,
            collected: head,
            placed: BTreeMap::new(),
        }
    }

    /// Tells the role what the blocks since the last call recorded and moved away, and has it
    /// collect when enough blocks have passed; `now_ms` is the time.
    ///
    /// # Errors
    /// [`ChainError`] when the ledger cannot be read. Nothing is collected then, and the next call
    /// makes good for it.
    pub(super) async fn follow(
        &mut self,
        chain: &dyn ChainView,
        storage: &StorageRole,
        now_ms: u64,
    ) -> Result<(), ChainError> {
        let head = chain.head();
        match self.seen {
            None => self.take_stock(chain, storage).await?,
            Some(seen) => {
                for height in seen.0 + 1..=head.height.0 {
                    match chain.block(Height(height)).await {
                        Ok(Some(block)) => self.block(chain, storage, &block).await?,
                        // Too old to be kept here: the state still knows.
                        Ok(None) => self.take_stock(chain, storage).await?,
                        Err(error) => {
                            let reason = told(&error);
                            warn!(
                                height,
                                reason, "a block could not be read: looking at the state"
                            );
                            self.take_stock(chain, storage).await?;
                        }
                    }
                    if self.seen >= Some(head.height) {
                        break;
                    }
                }
            }
        }
        let now = query::now(&*chain.state())?;
        storage.ledger_time(now.time).await;
        self.seen = self.seen.max(Some(head.height));
        let is_current = now_ms.saturating_sub(head.timestamp_ms) < CURRENT_MS;
        if is_current && head.height.0.saturating_sub(self.collected.0) >= COLLECT_EVERY {
            self.collected = head.height;
            storage.collect().await;
        }
        Ok(())
    }

    async fn block(
        &mut self,
        chain: &dyn ChainView,
        storage: &StorageRole,
        block: &BlockInfo,
    ) -> Result<(), ChainError> {
        let receipts = block.receipts.receipts.iter();
        let called = receipts.flat_map(|receipt| &receipt.events);
        for event in block.receipts.events.iter().chain(called) {
            if let Event::File(FileEvent::Put { file, owner } | FileEvent::Ended { file, owner }) =
                event
            {
                // As it is now: a later block may have moved it, or recorded it again.
                let record = query::file(&*chain.state(), file, owner)?;
                let placed = record.filter(|record| record.placement.contains(&self.me));
                self.renew(storage, (*file, *owner), placed.as_ref()).await;
            }
        }
        Ok(())
    }

    /// Compares everything with the state.
    async fn take_stock(
        &mut self,
        chain: &dyn ChainView,
        storage: &StorageRole,
    ) -> Result<(), ChainError> {
        let head = chain.head().height;
        let mut files = query::files(&*chain.state())?;
        files.retain(|record| record.placement.contains(&self.me));
        let kept: BTreeMap<_, _> = files
            .iter()
            .map(|record| ((record.id, record.owner), record))
            .collect();
        let gone: Vec<_> = self
            .placed
            .keys()
            .filter(|key| !kept.contains_key(*key))
            .copied()
            .collect();
        for key in gone {
            self.renew(storage, key, None).await;
        }
        for (key, record) in kept {
            self.renew(storage, key, Some(record)).await;
        }
        self.seen = self.seen.max(Some(head));
        Ok(())
    }

    /// The record under a key as it is now; `None` where it does not place its file here.
    async fn renew(
        &mut self,
        storage: &StorageRole,
        key: (FileId, AccountId),
        record: Option<&FileRecord>,
    ) {
        match record.map(Record::from) {
            Some(record) => {
                if self.placed.insert(key, record) != Some(record) {
                    storage.recorded(record).await;
                }
            }
            None => {
                if let Some(record) = self.placed.remove(&key) {
                    storage.expired(record).await;
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "shelves_tests.rs"]
mod tests;
