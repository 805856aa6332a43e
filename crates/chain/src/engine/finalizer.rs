//! Makes finalized blocks durable, in order, and tells subscribers.

use std::sync::Arc;

use assay_ledger::root::TreeError;
use commonware_actor::Feedback;
use commonware_codec::Encode as _;
use commonware_consensus::Reporter;
use commonware_consensus::marshal::{Update, core::Mailbox, standard::Standard};
use commonware_consensus::types::Height as EngineHeight;
use commonware_cryptography::{Digested, Digestible as _};
use commonware_utils::acknowledgement::{Acknowledgement as _, Exact};
use tokio::sync::{broadcast, mpsc, watch};

use super::payload::Payload;
use crate::core::{Core, Rejected};
use crate::finalized::FinalizedBlock;
use crate::judge::Invalid;
use crate::scheme::{Scheme, own_digest};
use crate::speculate::Layer;
use crate::store::{ChainStore, Commit, StoreError};

/// Passes the engine's ordered deliveries to [`Finalizer::run`].
#[derive(Clone)]
pub(crate) struct Deliveries(pub(crate) mpsc::UnboundedSender<(Digested<Payload>, Exact)>);

impl Reporter for Deliveries {
    type Activity = Update<Payload>;

    fn report(&mut self, update: Self::Activity) -> Feedback {
        match update {
            Update::Tip(..) => Feedback::Ok,
            // Unacknowledged blocks are bounded by `max_pending_acks`, and so is this queue.
            Update::Block(block, acknowledgement) => match self.0.send((block, acknowledgement)) {
                Ok(()) => Feedback::Ok,
                Err(_) => Feedback::Closed,
            },
        }
    }
}

/// Why the validator has to stop: going on could fork or corrupt its ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fatal {
    #[error("the chain database could not be written")]
    Store(#[from] StoreError),
    #[error("the engine's archive of {name} could not be opened")]
    Archive {
        name: &'static str,
        source: commonware_storage::archive::Error,
    },
    #[error("finalized block {height} does not execute here as the network says")]
    Diverged {
        height: u64,
        #[source]
        reason: Invalid,
    },
    #[error("finalized block {height} cannot be executed here")]
    Unread {
        height: u64,
        #[source]
        reason: TreeError,
    },
    #[error("finalized block {height} does not follow the chain in this directory")]
    Fork { height: u64 },
    #[error("the engine's part `{part}` has ended")]
    Ended { part: &'static str },
}

pub(crate) struct Finalizer {
    /// Told the height of each block that became final here.
    pub(crate) head: watch::Sender<u64>,
    pub(crate) core: Arc<Core>,
    pub(crate) store: ChainStore,
    pub(crate) marshal: Mailbox<Scheme, Standard<Payload>>,
    pub(crate) subscribers: broadcast::Sender<Arc<FinalizedBlock>>,
}

impl Finalizer {
    /// Handles deliveries until the engine stops or something must not continue.
    pub(crate) async fn run(
        self,
        mut deliveries: mpsc::UnboundedReceiver<(Digested<Payload>, Exact)>,
    ) -> Result<(), Fatal> {
        while let Some((block, acknowledgement)) = deliveries.recv().await {
            self.finalize(&block).await?;
            acknowledgement.acknowledge();
        }
        Ok(())
    }

    async fn finalize(&self, block: &Digested<Payload>) -> Result<(), Fatal> {
        let header = &block.inner().0.header;
        let height = header.height.0;
        let base = self.core.speculation.base();
        let head = base.header().height.0;
        if height <= head {
            // Delivered again after a restart: it must be the block we already have.
            let known = self.store.block(header.height)?;
            let same = known.is_some_and(|known| known.header == *header);
            return if same {
                Ok(())
            } else {
                Err(Fatal::Fork { height })
            };
        }
        if height != head + 1 || header.parent != base.digest() {
            return Err(Fatal::Fork { height });
        }
        let layer = self.executed(block)?;
        let certificate = self
            .marshal
            .get_finalization(EngineHeight::new(height))
            .await
            .map(|finalization| finalization.encode().to_vec());
        self.store.commit(&Commit {
            block: &block.inner().0,
            certificate: certificate.as_deref(),
            outcome: &layer.outcome,
        })?;
        let finalized =
            FinalizedBlock::new(block.inner().0.clone(), layer.outcome.receipts.clone())?;
        let mut senders: Vec<_> = finalized.transactions.iter().map(|tx| tx.sender).collect();
        senders.sort_unstable();
        senders.dedup();
        self.core
            .finalized(self.store.snapshot()?, certificate.is_some(), &senders);
        self.head.send_replace(height);
        // An error only means that nobody is subscribed.
        let _ = self.subscribers.send(Arc::new(finalized));
        Ok(())
    }

    /// The execution of a block on the finalized state, done now if it was not voted on here.
    fn executed(&self, block: &Digested<Payload>) -> Result<Arc<Layer>, Fatal> {
        let digest = own_digest(block.digest());
        if let Some(layer) = self.core.speculation.layer(&digest) {
            return Ok(layer);
        }
        let payload = &block.inner().0;
        let height = payload.header.height.0;
        let parent = self
            .core
            .speculation
            .view(&payload.header.parent)
            .ok_or(Fatal::Fork { height })?;
        self.core
            .accept(&parent, payload)
            .map_err(|rejected| match rejected {
                Rejected::Invalid(reason) => Fatal::Diverged { height, reason },
                Rejected::Here(reason) => Fatal::Unread { height, reason },
            })?;
        self.core
            .speculation
            .layer(&digest)
            .ok_or(Fatal::Fork { height })
    }
}
