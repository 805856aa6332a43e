//! The chain as its users see it.

use std::sync::Arc;

use assay_crypto::Digest;
use assay_ledger::{BlockReceipts, Genesis, Height, Receipt, Store, Transaction, TxId};
use tokio::sync::watch;

use crate::transport::BoxFuture;

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

/// What a light client needs to believe a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The value; `None` when the key is absent.
    pub value: Option<Vec<u8>>,
    /// Proof of presence or absence, ledger encoding.
    pub proof: Vec<u8>,
    /// Certified header whose state root the proof leads to, chain encoding.
    pub header: Vec<u8>,
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

    /// A final block; `None` above the head and at height 0.
    fn block(&self, height: Height) -> BoxFuture<'_, Result<Option<BlockInfo>, ChainError>>;

    /// A final block with its certificate as bytes for another node, chain encoding.
    fn certified_block(&self, height: Height)
    -> BoxFuture<'_, Result<Option<Vec<u8>>, ChainError>>;

    /// The newest certified header as bytes, chain encoding; `None` before the first block.
    fn certified_head(&self) -> BoxFuture<'_, Result<Option<Vec<u8>>, ChainError>>;

    /// A transaction's receipt; `None` while it is in no final block. It can be had as soon as
    /// [`state`](Self::state) shows the transaction's effect.
    fn receipt(&self, tx: TxId) -> BoxFuture<'_, Result<Option<Included>, ChainError>>;

    /// A value with its proof.
    fn prove(&self, key: Vec<u8>) -> BoxFuture<'_, Result<Proven, ChainError>>;

    /// Sends an encoded transaction on its way; sending it again does no harm. Success says that
    /// it may enter a block, not that it has.
    fn submit(&self, transaction: Vec<u8>) -> BoxFuture<'_, Result<TxId, SubmitError>>;

    /// The chain engine's own metrics in the Prometheus text format; may be empty.
    fn metrics(&self) -> String {
        String::new()
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

/// A transaction did not get on its way.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    /// It can never, or not at present, enter a block.
    #[error("the network does not take the transaction: {0}")]
    Rejected(String),
    /// No node could be asked; it may be sent again.
    #[error("the transaction did not reach the network: {0}")]
    Unreachable(String),
}
