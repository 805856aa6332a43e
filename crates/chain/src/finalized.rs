//! A block together with what executing it did.

use assay_crypto::Digest;
use assay_ledger::{Event, Receipt, Transaction};

use crate::block::Block;
use crate::header::Header;
use crate::store::StoreError;
use assay_ledger::BlockReceipts;

/// A final block: it will never be undone.
#[derive(Debug, Clone)]
pub struct FinalizedBlock {
    /// Digest of `header`.
    pub digest: Digest,
    /// The block's header.
    pub header: Header,
    /// What happened before its first transaction: draws, missed deadlines, freed bonds.
    pub events: Vec<Event>,
    /// Its transactions, in execution order.
    pub transactions: Vec<Transaction>,
    /// What became of each of them.
    pub receipts: Vec<Receipt>,
}

impl FinalizedBlock {
    pub(crate) fn new(block: Block, receipts: BlockReceipts) -> Result<Self, StoreError> {
        let transactions: Vec<_> = block
            .transactions
            .iter()
            .map(|bytes| Transaction::decode(bytes))
            .collect::<Result<_, _>>()
            .map_err(|_| StoreError::damaged("transaction"))?;
        if transactions.len() != receipts.receipts.len() {
            return Err(StoreError::damaged("receipts"));
        }
        let BlockReceipts { events, receipts } = receipts;
        Ok(Self {
            digest: block.header.digest(),
            header: block.header,
            events,
            transactions,
            receipts,
        })
    }
}
