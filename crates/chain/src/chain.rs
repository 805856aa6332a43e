//! Talking to a running validator.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use assay_ledger::{Height, ReadError, TxId, root};
use tokio::sync::{broadcast, mpsc};

use crate::admit::{Admitted, SubmitError, admit};
use crate::clocks::ClockReport;
use crate::core::Core;
use crate::engine::Command;
use crate::finalized::FinalizedBlock;
use crate::header::Header;
use crate::history;
use crate::light::{CertifiedHeader, ProvenTransaction, ProvenValue};
use crate::store::{self, ChainStore, Snapshot, StoreError};

/// A running validator. Clones share it; it runs until [`Chain::stop`], until every clone is
/// dropped, or until [`Chain::failure`] says why it had to stop by itself.
#[derive(Clone)]
pub struct Chain {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) core: Arc<Core>,
    pub(crate) store: ChainStore,
    pub(crate) subscribers: broadcast::Sender<Arc<FinalizedBlock>>,
    pub(crate) local: mpsc::UnboundedSender<Arc<Vec<u8>>>,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) thread: Mutex<Option<JoinHandle<()>>>,
    pub(crate) failure: Arc<Mutex<Option<String>>>,
}

const METRICS_PATIENCE: Duration = Duration::from_secs(2);

/// Why a node cannot show a proof now.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// No certificate covers the height yet.
    #[error("height {0} is not certified here yet: ask again after the next block")]
    NotYetCertified(Height),
    /// The block is above the head, or the transaction is in no block.
    #[error("there is no such block or transaction in the finalized chain")]
    Unknown,
    /// The state tree is damaged.
    #[error("the state tree cannot be read")]
    Tree(#[from] root::TreeError),
    /// The database failed.
    #[error("the chain database cannot be read")]
    Store(#[from] StoreError),
    /// The state could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Chain {
    /// Checks an encoded transaction, keeps it for a block and passes it to the other
    /// validators. Submitting the same bytes again is not an error.
    pub fn submit(&self, encoded: Vec<u8>) -> Result<TxId, SubmitError> {
        let Admitted { id, fresh } = admit(&self.shared.core, encoded)?;
        if let Some(encoded) = fresh {
            self.shared
                .local
                .send(encoded)
                .map_err(|_| SubmitError::Stopped)?;
        }
        Ok(id)
    }

    /// Every block finalized from now on. A receiver more than 1,024 blocks behind is told how
    /// many it lost; [`Chain::block`] has them.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<FinalizedBlock>> {
        self.shared.subscribers.subscribe()
    }

    /// The finalized block at `height`; `None` above the head.
    pub fn block(&self, height: Height) -> Result<Option<FinalizedBlock>, StoreError> {
        // The database is a moment ahead of what `head` and `read` show.
        if height > self.head().height {
            return Ok(None);
        }
        self.shared.store.finalized(height)
    }

    /// Block and position of a finalized transaction; `None` while it is in none.
    pub fn transaction(&self, id: &TxId) -> Result<Option<(Height, u32)>, StoreError> {
        let found = store::transaction_position(&self.shared.store.read()?, id)?;
        Ok(found.filter(|(height, _)| *height <= self.head().height))
    }

    /// Header of the last finalized block.
    pub fn head(&self) -> Header {
        self.shared.core.speculation.base().header().clone()
    }

    /// The finalized state now; it stays as it is while later blocks are finalized.
    pub fn read(&self) -> Arc<Snapshot> {
        self.shared.core.speculation.base()
    }

    /// The header at `height` with evidence for [`crate::light`].
    pub fn certified(&self, height: Height) -> Result<CertifiedHeader, ProveError> {
        if height > self.head().height {
            return Err(ProveError::Unknown);
        }
        history::certified(&self.shared.store.read()?, height)?
            .ok_or(ProveError::NotYetCertified(height))
    }

    /// The value of a state key, or its absence, at the newest certified height.
    pub fn prove(&self, key: &[u8]) -> Result<ProvenValue, ProveError> {
        let head = self.head().height;
        let snapshot = self
            .shared
            .core
            .certified()
            .ok_or(ProveError::NotYetCertified(head))?;
        let height = snapshot.header().height;
        let value = assay_ledger::Store::get(snapshot.as_ref(), key)?;
        let proof = root::prove(snapshot.as_ref(), height, key, value.as_deref())?;
        Ok(ProvenValue {
            value,
            proof,
            header: self.certified(height)?,
        })
    }

    /// A finalized transaction with its receipt and proofs of both.
    pub fn prove_transaction(&self, id: &TxId) -> Result<ProvenTransaction, ProveError> {
        let read = self.shared.store.read()?;
        let (height, index) = store::transaction_position(&read, id)?.ok_or(ProveError::Unknown)?;
        let header =
            history::certified(&read, height)?.ok_or(ProveError::NotYetCertified(height))?;
        let block = store::block(&read, height)?.ok_or(ProveError::Unknown)?;
        let receipts = store::receipts(&read, height)?;
        ProvenTransaction::new(header, &block, &receipts, index)
            .ok_or(ProveError::Store(StoreError::damaged("transaction index")))
    }

    /// Transactions waiting in this validator's pool.
    pub fn waiting(&self) -> usize {
        self.shared.core.pool().len()
    }

    /// Why the validator stopped by itself; `None` while it runs and after [`Chain::stop`].
    pub fn failure(&self) -> Option<String> {
        self.shared
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How this machine's clock compares with the other validators'.
    pub fn clocks(&self) -> ClockReport {
        self.shared.core.clocks.report()
    }

    /// The engine's metrics in the Prometheus text format; empty once stopped. Waits for the
    /// engine's answer, a few milliseconds and two seconds at most.
    pub fn metrics(&self) -> String {
        let (answer, receiver) = std::sync::mpsc::sync_channel(1);
        if self.shared.commands.send(Command::Metrics(answer)).is_err() {
            return String::new();
        }
        receiver.recv_timeout(METRICS_PATIENCE).unwrap_or_default()
    }

    /// Stops the validator and waits until its threads have ended and its files are closed, so
    /// that another one may start in its directory. Snapshots can no longer be read then.
    /// Takes up to ten seconds.
    pub fn stop(&self) {
        // A closed channel means that it has stopped already.
        let _ = self.shared.commands.send(Command::Stop);
        let thread = self
            .shared
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // Its panics are caught and reported by `failure`.
            let _ = thread.join();
        }
        self.shared.store.close();
    }
}
