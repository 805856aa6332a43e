//! Why a node does not start, for the person who has to mend it.

use std::{io, path::PathBuf};

use assay_api::{ChainError, ServeError};
use assay_chain::StartError;

use crate::{
    address::Address, keys::KeyError, lock::LockError, needs::NeedError, shares::ShareError,
    storage::StorageError, transport::BindError,
};

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The genesis file cannot be used.
    #[error("cannot use the genesis file {path}; copy it from another node of the network")]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// Another process has its directory or its key.
    #[error("one process at a time")]
    Lock(#[from] LockError),
    /// The machine does not give what it needs.
    #[error("this machine does not give what the node needs")]
    Need(#[from] NeedError),
    /// An address of the configuration cannot be looked up.
    #[error(
        "`{setting}` = {address} cannot be looked up; write its numeric address, or mend the name"
    )]
    Name {
        /// The setting.
        setting: &'static str,
        /// The address.
        address: Address,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nobody to learn the chain from.
    #[error("there is nobody to learn the chain from: name a validator under [[peers]]")]
    Alone,
    /// The account key cannot be used.
    #[error("the node's key cannot be used")]
    Key(#[from] KeyError),
    /// The validator's share cannot be used.
    #[error("the validator's share cannot be used")]
    Share(#[from] ShareError),
    /// The validator did not start.
    #[error("the validator did not start")]
    Validator(#[from] StartError),
    /// The peers' port cannot be opened.
    #[error("the node cannot listen for peers")]
    Bind(#[from] BindError),
    /// The chain cannot be followed.
    #[error("the chain cannot be followed")]
    Chain(#[from] ChainError),
    /// The storage role did not start.
    #[error("the storage role did not start")]
    Storage(#[from] StorageError),
    /// The JSON API did not start.
    #[error("the JSON API did not start")]
    Http(#[from] ServeError),
    /// The machine gives wrong bits, or cannot compute at all.
    #[error("the node must not take part in jobs")]
    Machine(#[from] assay_job::MachineError),
    /// The computing thread did not start.
    #[error("the computing thread did not start")]
    Compute(#[source] io::Error),
}
