//! What executing a block yields.

use std::collections::BTreeMap;

use assay_crypto::Digest;
use assay_ledger::BlockReceipts;

/// Changed keys with their new values; `None` deletes.
pub(crate) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Everything executing a block yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) writes: Writes,
    pub(crate) nodes: Writes,
    pub(crate) state_root: Digest,
    pub(crate) receipts: BlockReceipts,
    pub(crate) receipts_root: Digest,
}
