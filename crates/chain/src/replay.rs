//! Executing a chain again from its genesis or a [`Checkpoint`], believing nothing but the genesis.

use std::collections::BTreeMap;

use assay_ledger::root::{self, TreeError};
use assay_ledger::{Genesis, Height, MemoryStore};

use crate::block::Block;
use crate::checkpoint::Checkpoint;
use crate::execute::GenesisProblem;
use crate::finalized::FinalizedBlock;
use crate::header::Header;
use crate::history::History;
use crate::judge::{Invalid, JudgeError, Parent, judge};
use crate::light::{CertifiedHeader, LightClient, LightError};
use crate::outcome::Outcome;
use crate::store::StoreError;
use crate::validator::genesis_header;

/// A replay under way: the state in memory after the last block that was checked.
pub struct Replay {
    client: LightClient,
    header: Header,
    state: MemoryStore,
    nodes: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A replay of a chain directory.
pub struct Stored<'a> {
    history: &'a History,
    replay: Replay,
}

/// Where a stored chain is not what the ledger's rules make of it.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The directory cannot be read.
    #[error("the chain directory cannot be read")]
    Store(#[from] StoreError),
    /// The genesis in it does not give a state.
    #[error("the genesis in the chain directory cannot be used")]
    Genesis(#[from] GenesisProblem),
    /// A certificate is wrong.
    #[error("block {height} is not what the validators signed")]
    Evidence {
        /// Which block.
        height: u64,
        /// What is wrong with it.
        source: LightError,
    },
    /// A block may not follow the one before it.
    #[error("block {height} may not follow the one before it")]
    Invalid {
        /// Which block.
        height: u64,
        /// Why.
        source: Invalid,
    },
    /// The stored receipts are not those of the block.
    #[error("block {0}: executing it gives other receipts than are stored")]
    Receipts(u64),
    /// The stored first block is not the genesis block.
    #[error("the first stored block is not the one of the genesis")]
    FirstBlock,
    /// The state tree cannot be updated.
    #[error("the state tree cannot be updated")]
    Tree(#[from] TreeError),
    /// A checkpoint holds another state than its header says.
    #[error("the checkpoint at block {0} holds another state than its header says: fetch it again")]
    Checkpoint(u64),
}

impl History {
    /// Starts executing the chain again. Every block is then checked as [`Stored::advance`] says.
    pub fn replay(&self) -> Result<Stored<'_>, ReplayError> {
        let replay = Replay::begin(self.genesis())?;
        if self
            .block(Height(0))?
            .is_none_or(|stored| stored.block.header != replay.header)
        {
            return Err(ReplayError::FirstBlock);
        }
        Ok(Stored {
            history: self,
            replay,
        })
    }
}

impl Stored<'_> {
    /// What was executed so far.
    pub fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Checks and executes the next block, as [`Replay::advance`] does, with its certificate if one is stored, and
    /// the stored receipts. `None` at the head.
    pub fn advance(&mut self) -> Result<Option<FinalizedBlock>, ReplayError> {
        let height = self.replay.header.height.0 + 1;
        let Some(recorded) = self.history.block(Height(height))? else {
            return Ok(None);
        };
        let header = recorded.block.header.clone();
        let (outcome, block) = self.replay.judged(recorded.block)?;
        if outcome.receipts != recorded.receipts {
            return Err(ReplayError::Receipts(height));
        }
        if let Some(certificate) = &recorded.certificate {
            self.replay
                .client
                .verify_certificate(&header, certificate)
                .map_err(|source| ReplayError::Evidence { height, source })?;
        }
        self.replay.apply(outcome, header);
        Ok(Some(block))
    }
}

impl Replay {
    /// The state of a genesis.
    pub fn begin(genesis: &Genesis) -> Result<Self, ReplayError> {
        let (header, outcome) = genesis_header(genesis)?;
        let mut state = MemoryStore::default();
        state.apply(&outcome.writes);
        Ok(Self {
            client: client(genesis, header.height)?,
            header,
            state,
            nodes: stored(outcome.nodes),
        })
    }

    /// The state of a checkpoint of the network of `genesis`.
    ///
    /// # Errors
    /// [`ReplayError`] when no validator signed its header, or its state is another one.
    pub fn resume(genesis: &Genesis, checkpoint: Checkpoint) -> Result<Self, ReplayError> {
        let Checkpoint { header, state } = checkpoint;
        let height = header.header.height;
        let client = client(genesis, height)?;
        client
            .verify(&header)
            .map_err(|source| ReplayError::Evidence {
                height: height.0,
                source,
            })?;
        let tree = root::rebuilt(&state, height)?;
        if tree.root != header.header.state_root {
            return Err(ReplayError::Checkpoint(height.0));
        }
        Ok(Self {
            client,
            header: header.header,
            state: MemoryStore::new(state),
            nodes: stored(tree.nodes),
        })
    }

    /// The last block checked; genesis at first.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The state after it.
    pub fn state(&self) -> &MemoryStore {
        &self.state
    }

    /// The state as a checkpoint; `None` when the evidence is about another block.
    pub fn checkpoint(&self, header: CertifiedHeader) -> Option<Checkpoint> {
        let state = self.state.pairs().clone();
        (header.header == self.header).then_some(Checkpoint { header, state })
    }

    /// Checks evidence against the genesis.
    pub fn client(&self) -> &LightClient {
        &self.client
    }

    /// Checks and executes the next block: its place in the chain, its beacon, every signature, all roots. That
    /// it is final is for the caller to know: a certificate of a block, or of one further on, says so.
    pub fn advance(&mut self, block: Block) -> Result<FinalizedBlock, ReplayError> {
        let header = block.header.clone();
        let (outcome, block) = self.judged(block)?;
        self.apply(outcome, header);
        Ok(block)
    }

    fn judged(&self, block: Block) -> Result<(Outcome, FinalizedBlock), ReplayError> {
        let height = self.header.height.0 + 1;
        let parent = Parent {
            header: &self.header,
            state: &self.state,
            tree: &self.nodes,
        };
        let judged = judge(&parent, &block, self.client.beacons(), |_| false);
        let outcome = judged.map_err(|error| match error {
            JudgeError::Invalid(source) => ReplayError::Invalid { height, source },
            JudgeError::Tree(error) => ReplayError::Tree(error),
            JudgeError::Read(error) => ReplayError::Tree(error.into()),
        })?;
        let block = FinalizedBlock::new(block, outcome.receipts.clone())?;
        Ok((outcome, block))
    }

    fn apply(&mut self, outcome: Outcome, header: Header) {
        self.state.apply(&outcome.writes);
        for (key, node) in outcome.nodes {
            match node {
                Some(node) => self.nodes.insert(key, node),
                None => self.nodes.remove(&key),
            };
        }
        self.header = header;
    }
}

fn client(genesis: &Genesis, height: Height) -> Result<LightClient, ReplayError> {
    LightClient::new(genesis).map_err(|source| ReplayError::Evidence {
        height: height.0,
        source,
    })
}

fn stored(nodes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let nodes = nodes.into_iter();
    nodes.filter_map(|(key, node)| Some((key, node?))).collect()
}
