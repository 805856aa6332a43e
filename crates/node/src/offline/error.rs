//! Why something could not be done again.

use std::{io, path::PathBuf};

use assay_chain::StoreError;
use assay_job::BuildError;
use assay_job::keys::KeysError;
use assay_ledger::{FileId, OrderId, ReadError};
use assay_proof::WorkFailure;

/// Why something could not be recomputed.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The chain directory cannot be read.
    #[error("the chain in {path} cannot be read")]
    Chain {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// Reading the chain's files did not end as it should.
    #[error("the chain in {path} is damaged (its reader said: {reason}): bring back a whole copy")]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// The chain is not what its genesis and rules make of it.
    #[error("the chain does not replay")]
    Replay(#[from] assay_chain::replay::ReplayError),
    /// The archive cannot be read.
    #[error("the archive cannot be read")]
    Archive(#[from] crate::archive::ArchiveError),
    /// The archive lacks a block.
    #[error("the archive lacks block {0}: fetch it again with `assay archive`")]
    Gap(assay_ledger::Height),
    /// A directory of blobs cannot be read.
    #[error("the blobs in {path} cannot be read")]
    Blobs {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What an audit comes to cannot be kept.
    #[error("what the audit has come to cannot be kept")]
    Kept(#[from] KeptError),
    /// The archive has blocks twice.
    #[error("the archive has block {0} twice: one of its files is not `assay archive`'s")]
    Twice(assay_ledger::Height),
    /// The replayed state cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The ledger holds no such order.
    #[error("the chain holds no order {0}")]
    UnknownOrder(OrderId),
    /// The order was never finished.
    #[error("order {0} has no committed run to repeat")]
    NoRun(OrderId),
    /// The key of the result was not released.
    #[error("order {0} ended before its provider released the key of the result")]
    NotReleased(OrderId),
    /// The keys cannot be recovered.
    #[error("the keys of the order cannot be recovered")]
    Keys(#[from] KeysError),
    /// A file is missing or does not open.
    #[error("file {file} cannot be had from the blobs: {reason}")]
    File {
        /// Which.
        file: FileId,
        /// Why.
        reason: String,
    },
    /// A file is there, and is something else than the ledger says of it.
    #[error("file {file} is not what the ledger says: {reason}")]
    Other {
        /// Which.
        file: FileId,
        /// How.
        reason: String,
    },
    /// The run cannot be repeated.
    #[error("the run cannot be repeated")]
    Run(#[from] WorkFailure),
    /// The result cannot be judged.
    #[error("the result cannot be judged")]
    Build(#[from] BuildError),
}

/// Why nothing can be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The system said so.
    #[error("{} cannot be used", path.display())]
    Disk {
        /// What.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// Another audit is at it.
    #[error("another audit is keeping its findings in {}", .0.display())]
    InUse(PathBuf),
    /// It is about another history.
    #[error("{} is of an audit of another network", .0.display())]
    Network(PathBuf),
}
