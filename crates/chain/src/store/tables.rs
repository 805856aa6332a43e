//! The tables of one validator's database. `docs/chain.md` draws their rows.

use redb::TableDefinition;

/// File name of the database inside a validator's directory.
pub(crate) const FILE: &str = "ledger.redb";

/// Named single values.
pub(crate) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// Ledger state after the last finalized block.
pub(crate) const STATE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("state");
/// Nodes of the authenticated tree over that state.
pub(crate) const NODES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("nodes");
/// Encoded blocks by height, genesis header included.
pub(crate) const BLOCKS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("blocks");
/// Finalization certificates by height; a height whose certificate this validator never saw is
/// covered by the next one above it.
pub(crate) const CERTIFICATES: TableDefinition<'static, u64, &[u8]> =
    TableDefinition::new("certificates");
/// Borsh-encoded receipts by height.
pub(crate) const RECEIPTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("receipts");
/// Height and position of each transaction.
pub(crate) const TRANSACTIONS: TableDefinition<'static, &[u8; 32], (u64, u32)> =
    TableDefinition::new("transactions");

/// Format of the database.
pub(crate) const META_FORMAT: &str = "format";
/// Borsh-encoded genesis.
pub(crate) const META_GENESIS: &str = "genesis";
/// Height of the last finalized block, little endian.
pub(crate) const META_HEAD: &str = "head";

/// Current format.
pub(crate) const FORMAT: &[u8] = b"assay/chain-store/v1";
