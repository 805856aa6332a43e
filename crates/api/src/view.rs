//! The chain as its users see it.

use std::{pin::Pin, sync::Arc};

use assay_chain::{
    Header,
    light::{CertifiedHeader, ProvenTransaction, ProvenValue},
};
use assay_crypto::Digest;
use assay_ledger::{BlockReceipts, Genesis, Height, ReadError, Receipt, Store, Transaction, TxId};
use tokio::sync::watch;

use crate::advice::told;

/// A boxed future, so that views can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The ledger's state at one height. Reading is local and quick.
pub type Snapshot = Arc<dyn Store + Send + Sync>;

/// A final block in brief.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Height; 0 is the genesis state, which has no block.
    pub height: Height,
    /// Digest of the block's header.
    pub digest: Digest,
    /// Digest of its parent's header.
    pub parent: Digest,
    /// Milliseconds since the Unix epoch, as the validators agreed.
    pub timestamp_ms: u64,
    /// Root of the state after the block.
    pub state_root: Digest,
    /// Root of the block's transactions.
    pub tx_root: Digest,
    /// Root of what executing them gave.
    pub receipts_root: Digest,
}

impl From<&Header> for Head {
    fn from(header: &Header) -> Self {
        Self {
            height: header.height,
            digest: header.digest(),
            parent: header.parent,
            timestamp_ms: header.timestamp_ms,
            state_root: header.state_root,
            tx_root: header.tx_root,
            receipts_root: header.receipts_root,
        }
    }
}

/// A final block with what it brought about.
#[derive(Clone, Debug)]
pub struct BlockInfo {
    /// The block in brief.
    pub head: Head,
    /// Its transactions in order.
    pub transactions: Vec<Transaction>,
    /// What happened: the block's own events, and a receipt for each transaction.
    pub receipts: BlockReceipts,
}

/// A transaction that is in a final block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// Height of the block.
    pub height: Height,
    /// Place in the block.
    pub index: u32,
    /// What became of it.
    pub receipt: Receipt,
}

/// Most blocks in one [`Stretch`].
pub const MAX_STRETCH: usize = 64;

/// Most bytes of blocks in one [`Stretch`] that has more than one.
pub const MAX_STRETCH_BYTES: usize = 2 << 20;

/// Consecutive final blocks.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    /// Their bytes, in order.
    pub blocks: Vec<Vec<u8>>,
    /// Evidence that the last one is final; `None` when there are none.
    pub evidence: Option<CertifiedHeader>,
}

/// One chain, followed by whoever implements this.
pub trait ChainView: Send + Sync + 'static {
    /// What the chain began with.
    fn genesis(&self) -> &Genesis;

    /// The newest final block that is executed here.
    fn head(&self) -> Head;

    /// The state after [`head`](Self::head), or after a later block.
    fn state(&self) -> Snapshot;

    /// Changes whenever the head does.
    fn heights(&self) -> watch::Receiver<Height>;

    /// Waits until this view is about as new as the network. Before that, its state is old: a
    /// party would move by it in vain.
    fn caught_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// A final block; `None` above the head and at height 0.
    fn block(&self, height: Height) -> BoxFuture<'_, Result<Option<BlockInfo>, ChainError>>;

    /// Blocks from `first` on as bytes for another node, at most [`MAX_STRETCH`] of them and
    /// [`MAX_STRETCH_BYTES`] long, with the evidence that the last one is final. Empty when
    /// `first` is above the newest block with such evidence.
    fn stretch(&self, first: Height) -> BoxFuture<'_, Result<Stretch, ChainError>>;

    /// A transaction's receipt; `None` while it is in no final block. It can be had as soon as
    /// [`state`](Self::state) shows the transaction's effect.
    fn receipt(&self, tx: TxId) -> BoxFuture<'_, Result<Option<Included>, ChainError>>;

    /// A transaction and its receipt with proofs of both; `None` while it is in no final block.
    fn prove_transaction(
        &self,
        tx: TxId,
    ) -> BoxFuture<'_, Result<Option<ProvenTransaction>, ChainError>>;

    /// A value with its proof.
    fn prove(&self, key: Vec<u8>) -> BoxFuture<'_, Result<ProvenValue, ChainError>>;

    /// Sends an encoded transaction on its way; sending it again does no harm. Success says that
    /// it may enter a block, not that it has.
    fn submit(&self, transaction: Vec<u8>) -> BoxFuture<'_, Result<TxId, SubmitError>>;

    /// This machine's clock less the network's in milliseconds, where new blocks tell.
    fn clock_offset_ms(&self) -> Option<i64> {
        None
    }

    /// Why no new blocks come, where this view knows.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// The chain engine's own metrics in the Prometheus text format; may be empty.
    fn metrics(&self) -> BoxFuture<'_, String> {
        Box::pin(async { String::new() })
    }
}

/// The chain could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChainError {
    /// The local copy is damaged or gone.
    #[error("the local copy of the chain cannot be read: {0}")]
    Local(String),
    /// No node answered.
    #[error("no node of the network answers: {0}")]
    Unreachable(String),
    /// A node told something that is not true.
    #[error("a node's answer does not verify: {0}")]
    Untrue(String),
}

impl From<ReadError> for ChainError {
    fn from(error: ReadError) -> Self {
        Self::Local(told(&error))
    }
}

/// A transaction did not get on its way.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    /// It can never, or not at present, enter a block.
    #[error("the network does not take the transaction: {0}")]
    Rejected(String),
    /// Its nonce is used up: by itself, if it is in a block already, or by another transaction.
    #[error("the transaction's place is taken: {0}")]
    Spent(String),
    /// It may be taken later, or by another node.
    #[error("the transaction is not on its way yet: {0}")]
    Later(String),
}

/// What was said last to a transaction that was not taken, if that is why it is late: with a pool
/// full of dearer ones it names the fee that would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said(pub Option<String>);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}
