//! What the engine's tasks and the public handle share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assay_crypto::Digest;
use assay_ledger::{Store, Transaction};
use tokio::sync::Notify;

use crate::beacon::{BeaconVerifier, beacon};
use crate::block::Block;
use crate::config::Pace;
use crate::engine::beacons::Beacons;
use crate::execute::{self, ExecuteError, Outcome};
use crate::header::Header;
use crate::mempool::{LIMITS, Mempool, Pending, Refusal};
use crate::speculate::{Layer, Speculation, View};
use crate::store::Snapshot;

/// How far a block's timestamp may be ahead of this machine's clock when voting for it. A vote
/// for a block further ahead waits; it is not refused, since clocks differ.
pub(crate) const CLOCK_SKEW_MS: u64 = 250;

/// Shared state of one validator.
pub(crate) struct Core {
    pub(crate) speculation: Speculation,
    pub(crate) beacons: Beacons,
    pub(crate) verifier: BeaconVerifier,
    pub(crate) pace: Pace,
    /// Signalled when a transaction enters the pool.
    pub(crate) arrived: Notify,
    pool: Mutex<Mempool>,
    certified: Mutex<Option<Arc<Snapshot>>>,
}

/// Why a block was judged invalid for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("view {found} in the header, proposed in view {expected}")]
    View { expected: u64, found: u64 },
    #[error("timestamp {found} is not above the parent's {parent}")]
    Timestamp { parent: u64, found: u64 },
    #[error("the beacon is not the network's signature over the parent's height")]
    Beacon,
    #[error("the transaction root does not match the transactions")]
    TransactionRoot,
    #[error("transaction {index} cannot be in a block: {reason}")]
    Transaction { index: usize, reason: String },
    #[error("executing gives state root {expected}, the header says {found}")]
    StateRoot { expected: Digest, found: Digest },
    #[error("executing gives receipts root {expected}, the header says {found}")]
    ReceiptsRoot { expected: Digest, found: Digest },
    /// Nothing about the block: this machine cannot judge it.
    #[error("the disk failed while executing: {0}")]
    Disk(String),
}

impl Core {
    pub(crate) fn new(speculation: Speculation, verifier: BeaconVerifier, pace: Pace) -> Self {
        Self {
            speculation,
            beacons: Beacons::default(),
            verifier,
            pace,
            arrived: Notify::new(),
            pool: Mutex::new(Mempool::new(LIMITS)),
            certified: Mutex::new(None),
        }
    }

    pub(crate) fn pool(&self) -> MutexGuard<'_, Mempool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a checked transaction into the pool.
    pub(crate) fn enqueue(&self, pending: Pending) -> Result<(), Refusal> {
        let base = self.speculation.base();
        let next = execute::next_nonce(base.as_ref(), &pending.sender);
        self.pool().insert(pending, next, base.header().height.0)?;
        self.arrived.notify_waiters();
        Ok(())
    }

    /// Whether a block on `parent` would have transactions.
    pub(crate) fn has_work(&self, parent: &View) -> bool {
        self.pool()
            .has_next(|sender| execute::next_nonce(parent, sender))
    }

    /// Builds a block on `parent`. `header` has everything but the roots.
    pub(crate) fn build(&self, parent: &View, mut header: Header) -> Option<Block> {
        let chosen = self
            .pool()
            .select(|sender| execute::next_nonce(parent, sender));
        let beacon = beacon(&header);
        let (taken, transactions, dropped) = execute::admissible(parent, chosen);
        let executed = execute::execute(parent, &header, beacon, &transactions);
        if let Some(failure) = parent.failure() {
            tracing::error!(failure, "cannot build a block: the disk failed");
            return None;
        }
        let outcome = executed
            .inspect_err(|error| tracing::error!(%error, "cannot build a block"))
            .ok()?;
        let mut pool = self.pool();
        for pending in dropped {
            pool.remove(&pending.sender, pending.nonce);
        }
        drop(pool);
        let transactions: Vec<Vec<u8>> = taken
            .iter()
            .map(|pending| pending.encoded.as_ref().clone())
            .collect();
        header.tx_root = Block::tx_root(&transactions);
        header.state_root = outcome.state_root;
        header.receipts_root = outcome.receipts_root;
        self.remember(&header, outcome);
        Some(Block {
            header,
            transactions,
        })
    }

    /// Checks everything about `block` except its certificate and clock, and remembers its state.
    pub(crate) fn check(&self, parent: &View, block: &Block, view: u64) -> Result<(), Invalid> {
        let header = &block.header;
        if header.view != view {
            return Err(Invalid::View {
                expected: view,
                found: header.view,
            });
        }
        if header.timestamp_ms <= parent.header().timestamp_ms {
            return Err(Invalid::Timestamp {
                parent: parent.header().timestamp_ms,
                found: header.timestamp_ms,
            });
        }
        if !self.verifier.header_is_valid(parent.header(), header) {
            return Err(Invalid::Beacon);
        }
        self.execute(parent, block).map(drop)
    }

    /// Executes `block` on `parent` and compares the roots.
    pub(crate) fn execute(&self, parent: &View, block: &Block) -> Result<(), Invalid> {
        let header = &block.header;
        if header.tx_root != Block::tx_root(&block.transactions) {
            return Err(Invalid::TransactionRoot);
        }
        let transactions = self.decode(&block.transactions)?;
        let beacon = beacon(header);
        let executed = execute::execute(parent, header, beacon, &transactions);
        if let Some(failure) = parent.failure() {
            return Err(Invalid::Disk(failure.to_owned()));
        }
        let outcome = executed.map_err(|error| match error {
            ExecuteError::Invalid(error) => Invalid::transaction(error.index, &error.reason),
            ExecuteError::Tree(error) => Invalid::Disk(error.to_string()),
        })?;
        if outcome.state_root != header.state_root {
            return Err(Invalid::StateRoot {
                expected: outcome.state_root,
                found: header.state_root,
            });
        }
        if outcome.receipts_root != header.receipts_root {
            return Err(Invalid::ReceiptsRoot {
                expected: outcome.receipts_root,
                found: header.receipts_root,
            });
        }
        self.remember(header, outcome);
        Ok(())
    }

    fn remember(&self, header: &Header, outcome: Outcome) {
        self.speculation.insert(Layer {
            digest: header.digest(),
            header: header.clone(),
            outcome,
        });
    }

    /// Moves to a newly finalized state.
    pub(crate) fn finalized(&self, base: Snapshot, certified: bool) {
        let base = Arc::new(base);
        if certified {
            *self
                .certified
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(base.clone());
        }
        self.speculation.finalize(base);
        self.settle();
    }

    /// The newest finalized state whose own header is certified.
    pub(crate) fn certified(&self) -> Option<Arc<Snapshot>> {
        self.certified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Clears the pool of what the finalized state has used up.
    pub(crate) fn settle(&self) {
        let base = self.speculation.base();
        let store: &dyn Store = base.as_ref();
        self.pool().settle(base.header().height.0, |sender| {
            execute::next_nonce(store, sender)
        });
    }

    /// Decodes a block's transactions and verifies the signatures of those that did not pass
    /// through our own pool.
    fn decode(&self, encoded: &[Vec<u8>]) -> Result<Vec<Transaction>, Invalid> {
        let decoded: Vec<Transaction> = encoded
            .iter()
            .enumerate()
            .map(|(index, bytes)| {
                Transaction::decode(bytes).map_err(|error| Invalid::transaction(index, &error))
            })
            .collect::<Result<_, _>>()?;
        let known: Vec<bool> = {
            let pool = self.pool();
            decoded
                .iter()
                .map(|transaction| pool.contains(&transaction.id()))
                .collect()
        };
        for (index, (transaction, known)) in decoded.iter().zip(known).enumerate() {
            if !known {
                transaction
                    .verify()
                    .map_err(|error| Invalid::transaction(index, &error))?;
            }
        }
        Ok(decoded)
    }
}

impl Invalid {
    fn transaction(index: usize, reason: &dyn std::fmt::Display) -> Self {
        Self::Transaction {
            index,
            reason: reason.to_string(),
        }
    }
}
