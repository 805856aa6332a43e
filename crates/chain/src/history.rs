//! Reading a validator's chain from disk, without a network and without trusting the validator.

use std::path::Path;

use assay_ledger::{BlockReceipts, Genesis, Height};
use redb::{Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase};

use crate::block::Block;
use crate::light::{CertifiedHeader, MAX_DESCENDANTS};
use crate::store::{self, StoreError, tables};

/// A chain directory opened for reading. The validator that writes it must not be running.
pub struct History {
    /// Kept open for `transaction`.
    _database: Box<dyn Send + Sync>,
    transaction: ReadTransaction,
    genesis: Genesis,
    head: Height,
}

/// One stored block.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The block.
    pub block: Block,
    /// Its finalization certificate, if this validator saw it; otherwise one of the next blocks
    /// has one that covers it.
    pub certificate: Option<Vec<u8>>,
    /// What executing it brought about.
    pub receipts: BlockReceipts,
}

/// Opens the chain in `dir`.
pub fn open(dir: &Path) -> Result<History, StoreError> {
    let path = dir.join(tables::FILE);
    let (transaction, database): (_, Box<dyn Send + Sync>) = match ReadOnlyDatabase::open(&path) {
        Ok(database) => (database.begin_read()?, Box::new(database)),
        // Left by a crash: opening for writing repairs it.
        Err(redb::DatabaseError::RepairAborted) => {
            let database = Database::open(&path)?;
            (database.begin_read()?, Box::new(database))
        }
        Err(error) => return Err(error.into()),
    };
    let genesis = store::read_genesis(&transaction.open_table(tables::META)?)?;
    let head = store::head(&transaction)?;
    Ok(History {
        _database: database,
        transaction,
        genesis,
        head,
    })
}

impl History {
    /// The genesis the validator was started with.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Height of the last finalized block.
    pub fn head(&self) -> Height {
        self.head
    }

    /// The block at `height`; `None` above the head.
    pub fn block(&self, height: Height) -> Result<Option<Recorded>, StoreError> {
        let Some(block) = store::block(&self.transaction, height)? else {
            return Ok(None);
        };
        let receipts = store::receipts(&self.transaction, height)?;
        let certificate = store::certificate_from(&self.transaction, height)?
            .filter(|(at, _)| *at == height)
            .map(|(_, bytes)| bytes);
        Ok(Some(Recorded {
            block,
            certificate,
            receipts,
        }))
    }

    /// Blocks from `first` to the head, in order.
    pub fn blocks(&self, first: Height) -> impl Iterator<Item = Result<Recorded, StoreError>> {
        (first.0..=self.head.0).map(|height| {
            self.block(Height(height))?
                .ok_or(StoreError::damaged("missing block"))
        })
    }

    /// The last block that a stored certificate covers; whoever executes the chain to here has
    /// checked that certificate. Blocks above it are claims of this validator alone. Height 0, the
    /// genesis, needs none.
    pub fn last_certified(&self) -> Result<Height, StoreError> {
        let last = store::last_certificate(&self.transaction, self.head)?;
        Ok(last.unwrap_or(Height(0)))
    }

    /// The header at `height` with the evidence that it is final. `None` when no certificate at
    /// or shortly above it is stored, which can be so for the very last blocks.
    pub fn certified(&self, height: Height) -> Result<Option<CertifiedHeader>, StoreError> {
        certified(&self.transaction, height)
    }
}

/// See [`History::certified`].
pub(crate) fn certified(
    transaction: &ReadTransaction,
    height: Height,
) -> Result<Option<CertifiedHeader>, StoreError> {
    let Some((at, certificate)) = store::certificate_from(transaction, height)? else {
        return Ok(None);
    };
    let Some(header) = store::block(transaction, height)?.map(|block| block.header) else {
        return Ok(None);
    };
    if at.0 - height.0 > MAX_DESCENDANTS as u64 {
        return Ok(None);
    }
    let descendants = (height.0 + 1..=at.0)
        .map(|height| {
            let block = store::block(transaction, Height(height))?;
            block
                .map(|block| block.header)
                .ok_or(StoreError::damaged("missing block"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Some(CertifiedHeader {
        header,
        descendants,
        certificate,
    }))
}
