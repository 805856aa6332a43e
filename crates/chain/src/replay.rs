//! Executing a stored chain again from its genesis, believing nothing but the genesis.

use std::collections::BTreeMap;

use assay_ledger::root::TreeError;
use assay_ledger::{Height, MemoryStore};

use crate::execute::GenesisProblem;
use crate::finalized::FinalizedBlock;
use crate::header::Header;
use crate::history::History;
use crate::judge::{Invalid, JudgeError, Parent, judge};
use crate::light::{LightClient, LightError};
use crate::store::StoreError;
use crate::validator::genesis_header;

/// A replay under way: the state in memory after the last block that was checked.
pub struct Replay<'a> {
    history: &'a History,
    client: LightClient,
    header: Header,
    state: MemoryStore,
    nodes: BTreeMap<Vec<u8>, Vec<u8>>,
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
}

impl History {
    /// Starts executing the chain again. Every block is then checked as [`Replay::advance`] says.
    pub fn replay(&self) -> Result<Replay<'_>, ReplayError> {
        let genesis = self.genesis();
        let (header, outcome) = genesis_header(genesis)?;
        if self
            .block(Height(0))?
            .is_none_or(|stored| stored.block.header != header)
        {
            return Err(ReplayError::FirstBlock);
        }
        let evidence = |source| ReplayError::Evidence { height: 0, source };
        let mut state = MemoryStore::default();
        state.apply(&outcome.writes);
        Ok(Replay {
            history: self,
            client: LightClient::new(genesis).map_err(evidence)?,
            header,
            state,
            nodes: outcome
                .nodes
                .into_iter()
                .filter_map(|(key, node)| Some((key, node?)))
                .collect(),
        })
    }
}

impl Replay<'_> {
    /// The last block checked; genesis at first.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The state after it.
    pub fn state(&self) -> &MemoryStore {
        &self.state
    }

    /// Checks and executes the next block: its place in the chain, its beacon, its certificate
    /// if one is stored, every signature, all roots and the stored receipts. `None` at the head.
    pub fn advance(&mut self) -> Result<Option<FinalizedBlock>, ReplayError> {
        let height = self.header.height.0 + 1;
        let Some(recorded) = self.history.block(Height(height))? else {
            return Ok(None);
        };
        let parent = Parent {
            header: &self.header,
            state: &self.state,
            tree: &self.nodes,
        };
        let judged = judge(&parent, &recorded.block, self.client.beacons(), |_| false);
        let outcome = judged.map_err(|error| match error {
            JudgeError::Invalid(source) => ReplayError::Invalid { height, source },
            JudgeError::Tree(error) => ReplayError::Tree(error),
            JudgeError::Read(error) => ReplayError::Tree(error.into()),
        })?;
        if outcome.receipts != recorded.receipts {
            return Err(ReplayError::Receipts(height));
        }
        if let Some(certificate) = &recorded.certificate {
            self.client
                .verify_certificate(&recorded.block.header, certificate)
                .map_err(|source| ReplayError::Evidence { height, source })?;
        }
        self.state.apply(&outcome.writes);
        for (key, node) in outcome.nodes {
            match node {
                Some(node) => self.nodes.insert(key, node),
                None => self.nodes.remove(&key),
            };
        }
        self.header = recorded.block.header.clone();
        FinalizedBlock::new(recorded.block, recorded.receipts)
            .map(Some)
            .map_err(Into::into)
    }
}
