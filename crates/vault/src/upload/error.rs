//! Why an upload ended without a record.

use assay_ledger::AccountId;

use super::journal::ResumeError;
use crate::fault::Fault;

/// An upload that ended without a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// Not enough working nodes with room.
    #[error(
        "only {working} of the {copies} storage nodes needed have room and work{}; \
         add storage nodes or ask for fewer copies", told(.failed)
    )]
    NotEnoughNodes {
        /// Copies wanted.
        copies: u8,
        /// Holders that still work.
        working: usize,
        /// Nodes given up, and why.
        failed: Vec<(AccountId, Fault)>,
    },
    /// The source gave other bytes than the first time.
    #[error(
        "the file changed after a part of it had been stored (slice {index}): store it anew when \
         nothing writes to it"
    )]
    SourceChanged {
        /// The first slice that differs.
        index: u32,
    },
    /// The source failed.
    #[error("the file could not be read: {0}")]
    Source(String),
    /// The ledger refused the record.
    #[error("the ledger refused the file record: {0}")]
    NotRecorded(String),
    /// An earlier life wrote something that cannot be gone on with.
    #[error("the upload cannot go on from where it was")]
    Resume(#[from] ResumeError),
}

/// The failures of nodes, for an error message.
pub(crate) fn told(failed: &[(AccountId, Fault)]) -> String {
    failed
        .iter()
        .map(|(node, fault)| format!("; node {node}: {fault}"))
        .collect()
}
