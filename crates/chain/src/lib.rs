//! Replicate the ledger with a Byzantine-fault-tolerant engine.

mod beacon;
mod block;
mod chain;
mod config;
mod core;
mod deal;
mod engine;
mod execute;
mod finalized;
mod header;
pub mod history;
mod judge;
pub mod light;
mod mempool;
pub mod replay;
mod scheme;
mod speculate;
mod start;
mod store;

pub use crate::beacon::beacon;
pub use crate::block::{Block, BlockError, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};
pub use crate::chain::{Chain, ProveError};
pub use crate::config::{ChainConfig, Pace, Peer};
pub use crate::deal::{Dealt, MalformedShare, ThresholdShare, deal};
pub use crate::execute::{GenesisProblem, SubmitError};
pub use crate::finalized::FinalizedBlock;
pub use crate::header::{BeaconSignature, HEADER_BYTES, Header, HeaderError, VERSION};
pub use crate::judge::Invalid;
pub use crate::scheme::{CommitteeError, MAX_VALIDATORS};
pub use crate::start::{StartError, start};
pub use crate::store::{Snapshot, StoreError};
