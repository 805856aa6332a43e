//! The chain next to a validator in the same process.

use std::sync::Arc;

use assay_api::{
    BlockInfo, BoxFuture, ChainError, ChainView, Head, Included, MAX_STRETCH, MAX_STRETCH_BYTES,
    Snapshot, Stretch, SubmitError,
};
use assay_chain::{
    Chain, FinalizedBlock, ProveError, StoreError, SubmitError as Refused,
    light::{ProvenTransaction, ProvenValue},
};
use assay_ledger::{BlockReceipts, Genesis, Height, Invalid, TxId};
use tokio::sync::{broadcast::error::RecvError, watch};

use crate::told;

/// What the validator's own engine says is true: it took part in finding out.
pub struct LocalChain {
    chain: Chain,
    genesis: Genesis,
    heights: watch::Sender<Height>,
}

impl LocalChain {
    /// Looks at a running validator. Must be called on a tokio runtime.
    pub fn new(chain: Chain, genesis: Genesis) -> Arc<Self> {
        let heights = watch::Sender::new(chain.head().height);
        let local = Arc::new(Self {
            chain,
            genesis,
            heights,
        });
        let mut blocks = local.chain.subscribe();
        let watcher = Arc::downgrade(&local);
        tokio::spawn(async move {
            loop {
                let ended = matches!(blocks.recv().await, Err(RecvError::Closed));
                match watcher.upgrade() {
                    Some(local) if !ended => {
                        local.heights.send_replace(local.chain.head().height);
                    }
                    _ => return,
                }
            }
        });
        local
    }

    /// The validator.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The newest height at or below the head that a light client can be convinced of.
    fn provable(&self) -> Option<assay_chain::light::CertifiedHeader> {
        let head = self.chain.head().height.0;
        let candidates = (1..=head).rev().take(MAX_STRETCH);
        candidates
            .map(Height)
            .find_map(|height| self.chain.certified(height).ok())
    }

    fn find(&self, tx: &TxId) -> Result<Option<Included>, StoreError> {
        let Some((height, index)) = self.chain.transaction(tx)? else {
            return Ok(None);
        };
        let receipts = self.chain.block(height)?.map(|block| block.receipts);
        let receipt = receipts.and_then(|all| all.into_iter().nth(index as usize));
        Ok(receipt.map(|receipt| Included {
            height,
            index,
            receipt,
        }))
    }

    fn cut(&self, first: Height) -> Result<Stretch, ChainError> {
        let Some(top) = self.provable() else {
            return Ok(Stretch::default());
        };
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        let mut height = first.0.max(1);
        while height <= top.header.height.0 && blocks.len() < MAX_STRETCH {
            let found = self.chain.block(Height(height)).map_err(unreadable)?;
            let block = found.ok_or_else(|| ChainError::Local(format!("block {height}")))?;
            let encoded = encode(block);
            if !blocks.is_empty() && bytes + encoded.len() > MAX_STRETCH_BYTES {
                break;
            }
            bytes += encoded.len();
            blocks.push(encoded);
            height += 1;
        }
        if blocks.is_empty() {
            return Ok(Stretch::default());
        }
        let last = Height(height - 1);
        let evidence = if last == top.header.height {
            top
        } else {
            self.chain
                .certified(last)
                .map_err(|error| ChainError::Local(told(&error)))?
        };
        Ok(Stretch {
            blocks,
            evidence: Some(evidence),
        })
    }
}

fn encode(block: FinalizedBlock) -> Vec<u8> {
    let transactions = block.transactions.iter().map(|tx| tx.encode()).collect();
    assay_chain::Block {
        header: block.header,
        transactions,
    }
    .to_bytes()
}

fn describe(block: FinalizedBlock) -> BlockInfo {
    BlockInfo {
        head: (&block.header).into(),
        transactions: block.transactions,
        receipts: BlockReceipts {
            events: block.events,
            receipts: block.receipts,
        },
    }
}

impl ChainView for LocalChain {
    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn head(&self) -> Head {
        (&self.chain.head()).into()
    }

    fn state(&self) -> Snapshot {
        self.chain.read()
    }

    fn heights(&self) -> watch::Receiver<Height> {
        self.heights.subscribe()
    }

    fn block(&self, height: Height) -> BoxFuture<'_, Result<Option<BlockInfo>, ChainError>> {
        let above_genesis = height.0 > 0;
        let block = match above_genesis {
            true => self.chain.block(height).map_err(unreadable),
            false => Ok(None),
        };
        Box::pin(async move { Ok(block?.map(describe)) })
    }

    fn stretch(&self, first: Height) -> BoxFuture<'_, Result<Stretch, ChainError>> {
        let cut = self.cut(first);
        Box::pin(async move { cut })
    }

    fn receipt(&self, tx: TxId) -> BoxFuture<'_, Result<Option<Included>, ChainError>> {
        let found = self.find(&tx).map_err(unreadable);
        Box::pin(async move { found })
    }

    fn prove_transaction(
        &self,
        tx: TxId,
    ) -> BoxFuture<'_, Result<Option<ProvenTransaction>, ChainError>> {
        let proven = match self.chain.prove_transaction(&tx) {
            Err(ProveError::Unknown | ProveError::NotYetCertified(_)) => Ok(None),
            other => other.map(Some).map_err(unprovable),
        };
        Box::pin(async move { proven })
    }

    fn prove(&self, key: Vec<u8>) -> BoxFuture<'_, Result<ProvenValue, ChainError>> {
        let proven = self.chain.prove(&key).map_err(unprovable);
        Box::pin(async move { proven })
    }

    fn submit(&self, transaction: Vec<u8>) -> BoxFuture<'_, Result<TxId, SubmitError>> {
        let outcome = self.chain.submit(transaction).map_err(sort);
        Box::pin(async move { outcome })
    }

    fn clock_offset_ms(&self) -> Option<i64> {
        self.chain.clocks().own_ms
    }

    fn metrics(&self) -> BoxFuture<'_, String> {
        let chain = self.chain.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || chain.metrics())
                .await
                .unwrap_or_default()
        })
    }
}

fn unreadable(error: StoreError) -> ChainError {
    ChainError::Local(told(&error))
}

fn unprovable(error: ProveError) -> ChainError {
    ChainError::Local(told(&error))
}

/// Sorts the engine's reasons by what a sender should do about them.
fn sort(error: Refused) -> SubmitError {
    let reason = told(&error);
    match error {
        Refused::Invalid(Invalid::Nonce { expected, found }) if found < expected => {
            SubmitError::Spent(reason)
        }
        // Those before it may be on their way here, and fees fall when the rush is over.
        Refused::Gap { .. }
        | Refused::NonceTaken { .. }
        | Refused::SenderFull(_)
        | Refused::Full { .. }
        | Refused::Behind
        | Refused::Stopped
        | Refused::Unread(_) => SubmitError::Later(reason),
        Refused::Malformed(_) | Refused::Invalid(_) | Refused::Unaffordable { .. } => {
            SubmitError::Rejected(reason)
        }
    }
}
