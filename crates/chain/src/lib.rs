//! Replicate the ledger with a Byzantine-fault-tolerant engine.
//!
//! In reader's order:
//!
//! - [`start`] runs one validator from a [`ChainConfig`]: an `assay_ledger::Genesis` everybody
//!   shares, the validator's account key and its [`ThresholdShare`] of the network key, which
//!   [`deal`] hands out on development networks. Four validators may run in one process, each in
//!   its own directory and on its own port, or each in a process of its own.
//! - [`Chain`] is the running validator: submit transactions, follow [`FinalizedBlock`]s, read the
//!   finalized state, prove what is in it.
//! - [`light`] checks such proofs with nothing but the genesis; [`history`] reads a stopped validator's
//!   directory, and [`replay`] re-executes a chain from its genesis or a [`Checkpoint`].
//! - [`Header`] and [`Block`] are what is agreed on; `docs/chain.md` draws their bytes and says what
//!   a certificate proves and why nobody can bend the [`beacon()`].
//!
//! Consensus, networking and storage engines stay inside: no type of theirs appears here, save in
//! [`validator`], where one runs on another clock, network and disk. All functions are ordinary
//! blocking ones; the engine has its own threads.
//!
//! ```no_run
//! use assay_chain::{ChainConfig, Pace, start};
//! # fn run(genesis: assay_ledger::Genesis, secret: assay_crypto::SecretKey,
//! #     share: assay_chain::ThresholdShare) -> Result<(), Box<dyn std::error::Error>> {
//! let chain = start(ChainConfig {
//!     dir: "validator-1".into(),
//!     genesis,
//!     secret,
//!     share,
//!     listen: "127.0.0.1:7001".parse()?,
//!     peers: Vec::new(), // the genesis knows where they are
//!     pace: Pace::default(),
//! })?;
//! let mut blocks = chain.subscribe();
//! while let Ok(block) = blocks.blocking_recv() {
//!     println!("{} with {} transactions", block.header.height, block.transactions.len());
//! }
//! # Ok(()) }
//! ```

mod admit;
mod beacon;
mod block;
mod chain;
mod checkpoint;
mod clocks;
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
mod outcome;
pub mod replay;
mod scheme;
mod sources;
mod speculate;
mod start;
mod store;
pub mod validator;

pub use crate::admit::SubmitError;
pub use crate::beacon::beacon;
pub use crate::block::{Block, BlockError, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};
pub use crate::chain::{Chain, ProveError};
pub use crate::checkpoint::{Checkpoint, CheckpointError};
pub use crate::clocks::{ClockReport, Clocks};
pub use crate::config::{ChainConfig, Pace, Peer};
pub use crate::deal::{Dealt, MalformedShare, ThresholdShare, deal};
pub use crate::execute::GenesisProblem;
pub use crate::finalized::FinalizedBlock;
pub use crate::header::{BeaconSignature, HEADER_BYTES, Header, HeaderError, VERSION};
pub use crate::judge::Invalid;
pub use crate::scheme::{CommitteeError, MAX_VALIDATORS};
pub use crate::start::{StartError, start};
pub use crate::store::{Snapshot, StoreError};
