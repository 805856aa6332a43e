//! What the engine's tasks and the public handle share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assay_ledger::root::TreeError;
use assay_ledger::{AccountId, ReadError, TxId, query};
use tokio::sync::Notify;

use crate::beacon::BeaconVerifier;
use crate::block::Block;
use crate::clocks::Clocks;
use crate::config::Pace;
use crate::engine::beacons::Beacons;
use crate::execute::{self, Sorted};
use crate::header::Header;
use crate::judge::{self, Invalid, JudgeError, judge};
use crate::mempool::Mempool;
use crate::mempool::pending::{LIMITS, Pending, Refusal};
use crate::outcome::Outcome;
use crate::sources::with_sources;
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
    /// Nothing about the block: the state here is damaged or cannot be read.
    #[error("this machine cannot judge it")]
    Here(#[source] TreeError),
}

/// Why a transaction is not in the pool.
#[derive(Debug)]
pub(crate) enum NotQueued {
    Refused(Refusal),
    /// The sender's account cannot be read.
    Unread(ReadError),
}

impl From<Refusal> for NotQueued {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ReadError> for NotQueued {
    fn from(error: ReadError) -> Self {
        Self::Unread(error)
    }
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
    pub(crate) fn enqueue(&self, pending: Pending) -> Result<(), NotQueued> {
        let base = self.speculation.base();
        let account = query::account(base.as_ref(), &pending.sender)?;
        let height = base.header().height.0;
        self.pool().insert(pending, account, height)?;
        self.arrived.notify_waiters();
        Ok(())
    }

    /// Whether a block on `parent` would have transactions.
    pub(crate) fn has_work(&self, parent: &View) -> bool {
        self.pool()
            .has_next(|sender| execute::next_nonce(parent, sender).ok())
    }

    /// Whether a block on `parent` would draw for an order. Each order stands in line for one block: what
    /// nobody takes leaves the line, and starts no further block.
    pub(crate) fn has_draw(&self, parent: &View) -> bool {
        query::awaits_draw(parent).unwrap_or(false)
    }

    /// Builds a block on `parent`. `header` has everything but the roots.
    pub(crate) fn build(&self, parent: &View, mut header: Header) -> Option<Block> {
        let parameters = query::parameters(parent).ok().flatten();
        let most = parameters.map_or(u32::MAX, |parameters| parameters.max_block_cost);
        let chosen = self
            .pool()
            .select(most, |sender| execute::next_nonce(parent, sender).ok());
        let cannot = |error: &dyn std::error::Error| {
            tracing::error!(reason = with_sources(error), "cannot build a block");
        };
        let Sorted {
            taken,
            transactions,
            dropped,
        } = execute::admissible(parent, chosen)
            .inspect_err(|error| cannot(error))
            .ok()?;
        let outcome = judge::execute(&parent.as_parent(), &header, &transactions)
            .inspect_err(|error| cannot(error))
            .ok()?;
        let mut pool = self.pool();
        for pending in dropped {
            pool.drop_from(&pending.sender, pending.nonce);
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
        match judged {
            Ok(outcome) => self.remember(&block.header, outcome),
            Err(JudgeError::Invalid(invalid)) => return Err(invalid.into()),
            Err(JudgeError::Tree(error)) => return Err(Rejected::Here(error)),
            Err(JudgeError::Read(error)) => return Err(Rejected::Here(error.into())),
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

    /// Moves to a newly finalized state, whose block has transactions of these senders.
    pub(crate) fn finalized(&self, base: Snapshot, certified: bool, senders: &[AccountId]) {
        let base = Arc::new(base);
        if certified {
            *self
                .certified
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(base.clone());
        }
        self.speculation.finalize(base);
        self.settle(senders);
    }

    /// The newest finalized state whose own header is certified.
    pub(crate) fn certified(&self) -> Option<Arc<Snapshot>> {
        self.certified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Clears the pool of what the finalized state has used up. Only a sender of the last block
    /// can have used a nonce; of one that cannot be read all stays until it has waited too long.
    fn settle(&self, senders: &[AccountId]) {
        let base = self.speculation.base();
        let next: Vec<_> = senders
            .iter()
            .filter_map(|sender| Some((sender, execute::next_nonce(base.as_ref(), sender).ok()?)))
            .collect();
        let mut pool = self.pool();
        for (sender, next) in next {
            pool.used(sender, next);
        }
        if let Ok(now) = query::now(base.as_ref()) {
            pool.expire(now);
        }
    }
}
