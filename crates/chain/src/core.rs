//! What the engine's tasks and the public handle share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assay_ledger::{Store, TxId};
use tokio::sync::Notify;

use crate::beacon::BeaconVerifier;
use crate::block::Block;
use crate::clocks::Clocks;
use crate::config::Pace;
use crate::engine::beacons::Beacons;
use crate::execute::{self, Outcome};
use crate::header::Header;
use crate::judge::{self, Invalid, JudgeError, judge};
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
    /// What the others' proposals say about the time.
    pub(crate) clocks: Clocks,
    /// Signalled when a transaction enters the pool.
    pub(crate) arrived: Notify,
    pool: Mutex<Mempool>,
    certified: Mutex<Option<Arc<Snapshot>>>,
}

/// Why a block is not accepted here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejected {
    #[error(transparent)]
    Invalid(#[from] Invalid),
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
            clocks: Clocks::default(),
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
        let (taken, transactions, dropped) = execute::admissible(parent, chosen);
        let executed = judge::execute(&parent.as_parent(), &header, &transactions);
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

    /// Judges `block` on `parent` and remembers its state if it is valid.
    pub(crate) fn accept(&self, parent: &View, block: &Block) -> Result<(), Rejected> {
        // What waits in our own pool was verified when it came.
        let verified = |id: &TxId| self.pool().contains(id);
        let judged = judge(&parent.as_parent(), block, &self.verifier, verified);
        if let Some(failure) = parent.failure() {
            return Err(Rejected::Disk(failure.to_owned()));
        }
        match judged {
            Ok(outcome) => self.remember(&block.header, outcome),
            Err(JudgeError::Invalid(invalid)) => return Err(invalid.into()),
            Err(JudgeError::Tree(error)) => return Err(Rejected::Disk(error.to_string())),
        }
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
}
