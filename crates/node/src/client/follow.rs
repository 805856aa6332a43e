//! The chain followed from afar.
//!
//! A follower asks nodes for final blocks and believes none of them:
//!
//! - the last block of every stretch comes with a certificate of the validators of our genesis,
//!   and each block names the one before it as parent;
//! - it executes every block itself and compares state root and receipts root with the header.
//!
//! So its state is as good as a validator's, at the price of executing everything once. It is kept
//! in memory and built anew from the genesis after a restart; `docs/decisions/0172-followers.md`
//! says what that costs.

mod view;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use assay_api::{BlockInfo, ChainError, Included, MAX_STRETCH};
use assay_chain::{
    Block,
    light::{CertifiedHeader, LightClient},
};
use assay_crypto::PublicKey;
use assay_ledger::{Genesis, Height, Lasting, TxId};
use tokio::{sync::watch, task::JoinHandle, time::sleep};
use tracing::{debug, warn};

use super::{
    protocol::{Request, Response},
    replica::Replica,
};
use crate::{
    clock, told,
    transport::{RequestError, Transport},
};

/// Blocks kept in memory; older ones are asked for again.
const KEPT_BLOCKS: usize = 4_096;

/// Pause after a node could not be asked or told something untrue.
const PAUSE: Duration = Duration::from_millis(500);

/// A node whose newest block is older than this is left for the next one, and the copy here does
/// not count as caught up.
const OLD: Duration = Duration::from_secs(30);

/// A copy of the chain that follows other nodes.
pub struct Follower {
    genesis: Genesis,
    light: LightClient,
    transport: Transport,
    /// Asked in this order; the next one after a failure.
    nodes: Vec<PublicKey>,
    heights: watch::Sender<Height>,
    synced: watch::Sender<bool>,
    copy: RwLock<Copy>,
    pulse: Mutex<Pulse>,
}

/// What the arrival of new blocks tells about time, and what keeps them from coming.
#[derive(Default)]
struct Pulse {
    /// Our clock less the timestamps of the latest blocks, in milliseconds, as they came.
    ages: VecDeque<i64>,
    trouble: Option<String>,
}

/// Arrivals that are looked at.
const ARRIVALS: usize = 5;

/// What has been executed so far, and what was said about it.
struct Copy {
    replica: Replica,
    evidence: Option<CertifiedHeader>,
    /// The latest blocks, oldest first.
    blocks: VecDeque<BlockInfo>,
    receipts: HashMap<TxId, Included>,
}

/// Follows until dropped.
#[derive(Debug)]
pub struct Following(JoinHandle<()>);

impl Following {
    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Follower {
    /// A follower of the chain of `genesis` that asks `nodes`, which must be in the transport's
    /// address book. It stands at height 0 until [`follow`](Self::follow) is called.
    ///
    /// # Errors
    /// [`ChainError::Local`] when the genesis contradicts itself.
    pub fn new(
        genesis: Genesis,
        transport: Transport,
        nodes: Vec<PublicKey>,
    ) -> Result<Arc<Self>, ChainError> {
        let unusable = |error: String| ChainError::Local(format!("genesis: {error}"));
        let light = LightClient::new(&genesis).map_err(|e| unusable(told(&e)))?;
        let replica = Replica::new(&genesis).map_err(|e| unusable(told(&e)))?;
        let copy = RwLock::new(Copy {
            replica,
            evidence: None,
            blocks: VecDeque::new(),
            receipts: HashMap::new(),
        });
        let heights = watch::Sender::new(Height(0));
        let synced = watch::Sender::new(false);
        Ok(Arc::new(Self {
            genesis,
            light,
            transport,
            nodes,
            heights,
            synced,
            copy,
            pulse: Mutex::default(),
        }))
    }

    /// Begins to follow; ends when the returned value is dropped.
    pub fn follow(self: &Arc<Self>) -> Following {
        let follower = self.clone();
        Following(tokio::spawn(async move { follower.run().await }))
    }

    async fn run(&self) {
        for node in self.nodes.iter().copied().cycle() {
            let error = self.run_with(node).await;
            self.pulse().trouble = Some(error.to_string());
            if matches!(error, ChainError::Unreachable(_)) {
                debug!(%node, %error, "another node is followed");
            } else {
                warn!(%node, %error, "another node is followed");
            }
            sleep(PAUSE).await;
        }
    }

    /// Follows one node until something is wrong with it.
    async fn run_with(&self, node: PublicKey) -> ChainError {
        loop {
            let first = self.height().after(1);
            let answer = self
                .transport
                .request(node, &Request::Blocks { first })
                .await;
            let taken = match answer {
                Ok(Response::Blocks { blocks, evidence }) => self.take(&blocks, evidence),
                Ok(_) => Err(ChainError::Untrue("it answered something else".to_owned())),
                Err(error) => Err(ChainError::Unreachable(told(&error))),
            };
            if let Err(error) = taken {
                return error;
            }
        }
    }

    fn height(&self) -> Height {
        self.read().replica.head().height
    }

    fn read(&self) -> RwLockReadGuard<'_, Copy> {
        self.copy.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Copy> {
        self.copy.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Verifies a stretch as a whole, then executes it block by block.
    fn take(&self, blocks: &[Vec<u8>], evidence: Option<Vec<u8>>) -> Result<(), ChainError> {
        let blocks = blocks
            .iter()
            .map(|bytes| Block::decode(bytes).map_err(untrue));
        let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
        let (Some(evidence), Some(last)) = (evidence, blocks.last()) else {
            return self.note_news();
        };
        let evidence = CertifiedHeader::decode(&evidence).map_err(untrue)?;
        if last.header != evidence.header {
            return Err(ChainError::Untrue(
                "the evidence is about another block".to_owned(),
            ));
        }
        self.light.verify(&evidence).map_err(untrue)?;
        // The last header is final, and with it every header that its parent links lead back to.
        let linked = blocks
            .windows(2)
            .all(|two| two[1].header.parent == two[0].header.digest());
        if !linked {
            return Err(ChainError::Untrue(
                "the blocks do not follow each other".to_owned(),
            ));
        }
        for block in &blocks {
            self.extend(block)?;
        }
        let stamp = evidence.header.timestamp_ms;
        self.write().evidence = Some(evidence);
        if blocks.len() < MAX_STRETCH / 2 {
            self.note_arrival(stamp);
            self.note_news()
        } else {
            Ok(())
        }
    }

    /// Notes the age of a block that is new here. Blocks that were made long ago come in long
    /// stretches; the last ones of those are soon outnumbered.
    fn note_arrival(&self, stamp: u64) {
        let ms = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        let mut pulse = self.pulse();
        if pulse.ages.len() == ARRIVALS {
            pulse.ages.pop_front();
        }
        pulse
            .ages
            .push_back(ms(clock::now().0).saturating_sub(ms(stamp)));
    }

    /// Having heard everything a node has to tell, decides whether that is news.
    fn note_news(&self) -> Result<(), ChainError> {
        let agreed = self.read().replica.head().timestamp_ms;
        let age = Duration::from_millis(clock::now().0.saturating_sub(agreed));
        if age > OLD {
            let text = format!(
                "its newest block is {} old by our clock",
                Lasting::from(age)
            );
            return Err(ChainError::Unreachable(text));
        }
        self.pulse().trouble = None;
        self.synced.send_replace(true);
        Ok(())
    }

    /// Executes a block that is known to be final.
    fn extend(&self, block: &Block) -> Result<(), ChainError> {
        let height = block.header.height;
        let mut copy = self.write();
        let (transactions, receipts) = copy.replica.extend(block).map_err(untrue)?;
        for (index, receipt) in (0..).zip(&receipts.receipts) {
            let included = Included {
                height,
                index,
                receipt: receipt.clone(),
            };
            copy.receipts.insert(receipt.tx, included);
        }
        copy.blocks.push_back(BlockInfo {
            head: (&block.header).into(),
            transactions,
            receipts,
        });
        if copy.blocks.len() > KEPT_BLOCKS
            && let Some(oldest) = copy.blocks.pop_front()
        {
            for receipt in &oldest.receipts.receipts {
                copy.receipts.remove(&receipt.tx);
            }
        }
        drop(copy);
        self.heights.send_replace(height);
        Ok(())
    }

    /// Asks each node until one answers.
    async fn ask(&self, request: &Request) -> Result<Response, RequestError> {
        let mut last = None;
        for node in &self.nodes {
            match self.transport.request(*node, request).await {
                Err(error) if error.is_transient() => last = Some(error),
                answer => return answer,
            }
        }
        Err(last.unwrap_or(RequestError::NoAddress {
            peer: self.transport.id(),
        }))
    }
}

fn untrue(error: impl std::error::Error + 'static) -> ChainError {
    ChainError::Untrue(told(&error))
}
