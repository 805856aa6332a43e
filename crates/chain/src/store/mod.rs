//! One validator's database: everything of a finalized block is written in one transaction, so
//! that a crash leaves the state of exactly one height.

mod snapshot;
pub(crate) mod tables;

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use assay_crypto::Digest;
use assay_ledger::{BlockReceipts, Genesis, Height};
use redb::{Database, ReadTransaction, ReadableDatabase as _, StorageBackend};

pub use snapshot::Snapshot;
use tables as t;

use crate::block::Block;
use crate::finalized::FinalizedBlock;
use crate::outcome::Outcome;

/// Why the chain database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database itself failed.
    #[error("the disk failed under the chain database: check it, then start again")]
    Database(#[source] Box<redb::Error>),
    /// Another process, or another validator in this one, has it open.
    #[error("the chain directory is in use: stop the validator that runs on it first")]
    InUse,
    /// The validator was stopped.
    #[error("the chain database is closed: the validator was stopped")]
    Closed,
    /// Written by another format of this program.
    #[error("the chain database has an unknown format: use the program version that wrote it")]
    Format,
    /// The directory belongs to another network.
    #[error("the directory holds the chain of genesis {found}, not {expected}: use another one")]
    Genesis {
        /// Digest of the genesis in the directory.
        found: Digest,
        /// Digest of the genesis given.
        expected: Digest,
    },
    /// There is no database.
    #[error("there is no chain: the file {} is missing", t::FILE)]
    Missing,
    /// The file is not what was written, or a row that must exist is missing or does not decode.
    #[error(
        "the chain database is damaged ({0}): bring back a whole copy, or, as a validator, start in an empty directory and sync again"
    )]
    Damaged(Cow<'static, str>),
}

impl StoreError {
    pub(crate) fn damaged(what: &'static str) -> Self {
        Self::Damaged(what.into())
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            redb::Error::UpgradeRequired(_) => Self::Format,
            redb::Error::Corrupted(what) => Self::Damaged(what.into()),
            redb::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => Self::Missing,
            redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                Self::Damaged(error.to_string().into())
            }
            error => Self::Database(Box::new(error)),
        }
    }
}

/// Memory for cached pages. The library's default is a gigabyte, and a development network has
/// four validators in one process.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Where the disk itself is in memory.
const SMALL_CACHE_BYTES: usize = 1024 * 1024;

/// The database, until [`ChainStore::close`] takes it. Closing makes open snapshots fail.
type Slot = Arc<RwLock<Option<Database>>>;

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}
from_redb!(
    TransactionError,
    TableError,
    StorageError,
    CommitError,
    DatabaseError
);

/// What one finalized block adds to the database.
pub(crate) struct Commit<'a> {
    pub(crate) block: &'a Block,
    pub(crate) certificate: Option<&'a [u8]>,
    pub(crate) outcome: &'a Outcome,
}

/// An open database; this process holds its lock.
#[derive(Clone)]
pub(crate) struct ChainStore {
    database: Slot,
}

impl ChainStore {
    /// Opens or creates the database in `dir`. A new one starts at `genesis`, whose block and
    /// state are given.
    pub(crate) fn open(
        dir: &Path,
        genesis: &Genesis,
        block: &Block,
        outcome: &Outcome,
    ) -> Result<Self, StoreError> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(dir.join(t::FILE))?;
        Self::begin(database, genesis, block, outcome)
    }

    /// As [`Self::open`], on a disk of the caller's making.
    pub(crate) fn open_on(
        disk: impl StorageBackend,
        genesis: &Genesis,
        block: &Block,
        outcome: &Outcome,
    ) -> Result<Self, StoreError> {
        let database = Database::builder()
            .set_cache_size(SMALL_CACHE_BYTES)
            .create_with_backend(disk)?;
        Self::begin(database, genesis, block, outcome)
    }

    fn begin(
        database: Database,
        genesis: &Genesis,
        block: &Block,
        outcome: &Outcome,
    ) -> Result<Self, StoreError> {
        let store = Self {
            database: Arc::new(RwLock::new(Some(database))),
        };
        match store.genesis()? {
            Some(found) if found.digest() == genesis.digest() => {}
            Some(found) => {
                return Err(StoreError::Genesis {
                    found: found.digest(),
                    expected: genesis.digest(),
                });
            }
            None => {
                store.write(
                    &Commit {
                        block,
                        certificate: None,
                        outcome,
                    },
                    Some(genesis),
                )?;
            }
        }
        Ok(store)
    }

    fn genesis(&self) -> Result<Option<Genesis>, StoreError> {
        let transaction = self.read()?;
        let meta = match transaction.open_table(t::META) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            table => table?,
        };
        read_genesis(&meta).map(Some)
    }

    /// Makes a finalized block durable.
    pub(crate) fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        self.write(commit, None)
    }

    fn write(&self, commit: &Commit<'_>, genesis: Option<&Genesis>) -> Result<(), StoreError> {
        let height = commit.block.header.height.0;
        let slot = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let mut transaction = slot.as_ref().ok_or(StoreError::Closed)?.begin_write()?;
        // Saves the allocator with each commit: opening after a crash then takes no file scan.
        transaction.set_quick_repair(true);
        {
            let mut meta = transaction.open_table(t::META)?;
            if let Some(genesis) = genesis {
                meta.insert(t::META_FORMAT, t::FORMAT)?;
                meta.insert(t::META_GENESIS, genesis.encode().as_slice())?;
            }
            meta.insert(t::META_HEAD, height.to_le_bytes().as_slice())?;
            let mut state = transaction.open_table(t::STATE)?;
            apply(&mut state, commit.outcome.writes.iter())?;
            let mut nodes = transaction.open_table(t::NODES)?;
            apply(&mut nodes, commit.outcome.nodes.iter())?;
            let mut blocks = transaction.open_table(t::BLOCKS)?;
            blocks.insert(height, commit.block.to_bytes().as_slice())?;
            let mut certificates = transaction.open_table(t::CERTIFICATES)?;
            if let Some(certificate) = commit.certificate {
                certificates.insert(height, certificate)?;
            }
            let mut receipts = transaction.open_table(t::RECEIPTS)?;
            let encoded = borsh::to_vec(&commit.outcome.receipts).unwrap_or_default();
            receipts.insert(height, encoded.as_slice())?;
            let mut index = transaction.open_table(t::TRANSACTIONS)?;
            for (position, receipt) in (0u32..).zip(&commit.outcome.receipts.receipts) {
                index.insert(&receipt.tx.0.0, (height, position))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// The finalized state now.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let transaction = self.read()?;
        let head = head(&transaction)?;
        let block = block(&transaction, head)?.ok_or(StoreError::damaged("head block"))?;
        Snapshot::new(&transaction, block.header)
    }

    /// The finalized block at `height`.
    pub(crate) fn block(&self, height: Height) -> Result<Option<Block>, StoreError> {
        block(&self.read()?, height)
    }

    /// The finalized block at `height` with its receipts, checked for consistency.
    pub(crate) fn finalized(&self, height: Height) -> Result<Option<FinalizedBlock>, StoreError> {
        let transaction = self.read()?;
        let Some(block) = block(&transaction, height)? else {
            return Ok(None);
        };
        FinalizedBlock::new(block, receipts(&transaction, height)?).map(Some)
    }

    /// Closes the file, whoever still holds this store or its snapshots.
    pub(crate) fn close(&self) {
        self.database
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// A read transaction for the helpers below.
    pub(crate) fn read(&self) -> Result<ReadTransaction, StoreError> {
        let slot = self.database.read().unwrap_or_else(PoisonError::into_inner);
        Ok(slot.as_ref().ok_or(StoreError::Closed)?.begin_read()?)
    }
}

fn apply<'a>(
    table: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
    writes: impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>,
) -> Result<(), StoreError> {
    for (key, value) in writes {
        match value {
            Some(value) => table.insert(key.as_slice(), value.as_slice())?,
            None => table.remove(key.as_slice())?,
        };
    }
    Ok(())
}

/// Reads and checks the genesis row.
pub(crate) fn read_genesis(
    meta: &redb::ReadOnlyTable<&'static str, &'static [u8]>,
) -> Result<Genesis, StoreError> {
    let format = meta.get(t::META_FORMAT)?.ok_or(StoreError::Format)?;
    if format.value() != t::FORMAT {
        return Err(StoreError::Format);
    }
    let bytes = meta
        .get(t::META_GENESIS)?
        .ok_or(StoreError::damaged("genesis"))?;
    Genesis::decode(bytes.value()).map_err(|_| StoreError::damaged("genesis"))
}

/// Height of the last finalized block.
pub(crate) fn head(transaction: &ReadTransaction) -> Result<Height, StoreError> {
    let meta = transaction.open_table(t::META)?;
    let bytes = meta.get(t::META_HEAD)?.ok_or(StoreError::damaged("head"))?;
    let bytes = bytes
        .value()
        .try_into()
        .map_err(|_| StoreError::damaged("head"))?;
    Ok(Height(u64::from_le_bytes(bytes)))
}

/// The finalized block at `height`.
pub(crate) fn block(
    transaction: &ReadTransaction,
    height: Height,
) -> Result<Option<Block>, StoreError> {
    let blocks = transaction.open_table(t::BLOCKS)?;
    let Some(bytes) = blocks.get(height.0)? else {
        return Ok(None);
    };
    Block::decode(bytes.value())
        .map(Some)
        .map_err(|_| StoreError::damaged("block"))
}

/// What executing the block at `height` brought about.
pub(crate) fn receipts(
    transaction: &ReadTransaction,
    height: Height,
) -> Result<BlockReceipts, StoreError> {
    let receipts = transaction.open_table(t::RECEIPTS)?;
    let bytes = receipts
        .get(height.0)?
        .ok_or(StoreError::damaged("receipts"))?;
    borsh::from_slice(bytes.value()).map_err(|_| StoreError::damaged("receipts"))
}

/// The first certificate at `height` or above, with its height.
pub(crate) fn certificate_from(
    transaction: &ReadTransaction,
    height: Height,
) -> Result<Option<(Height, Vec<u8>)>, StoreError> {
    let certificates = transaction.open_table(t::CERTIFICATES)?;
    let mut rows = certificates.range(height.0..)?;
    match rows.next() {
        None => Ok(None),
        Some(row) => {
            let (at, bytes) = row?;
            Ok(Some((Height(at.value()), bytes.value().to_vec())))
        }
    }
}

/// The last height up to `head` with a stored certificate.
pub(crate) fn last_certificate(
    transaction: &ReadTransaction,
    head: Height,
) -> Result<Option<Height>, StoreError> {
    let certificates = transaction.open_table(t::CERTIFICATES)?;
    let last = certificates.range(..=head.0)?.next_back();
    Ok(last.transpose()?.map(|(at, _)| Height(at.value())))
}

/// Where a transaction was included.
pub(crate) fn transaction_position(
    transaction: &ReadTransaction,
    id: &assay_ledger::TxId,
) -> Result<Option<(Height, u32)>, StoreError> {
    let index = transaction.open_table(t::TRANSACTIONS)?;
    Ok(index.get(&id.0.0)?.map(|row| {
        let (height, position) = row.value();
        (Height(height), position)
    }))
}
