//! Executing a stored chain again from its genesis, believing nothing but the genesis.

use std::collections::BTreeMap;

use assay_ledger::root::{self, TreeError};
use assay_ledger::{BlockContext, Height, InvalidBlock, MemoryStore, execute_block};

use crate::beacon::beacon;
use crate::block::Block;
use crate::execute::GenesisProblem;
use crate::finalized::FinalizedBlock;
use crate::header::Header;
use crate::history::History;
use crate::light::{LightClient, LightError};
use crate::start::genesis_header;
use crate::store::StoreError;

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
    /// A certificate or beacon is wrong.
    #[error("block {height} is not what the validators signed")]
    Evidence {
        /// Which block.
        height: u64,
        /// What is wrong with it.
        source: LightError,
    },
    /// A block does not follow the one before.
    #[error("block {0} does not follow the block before it")]
    Order(u64),
    /// A transaction does not decode or may not be in the block.
    #[error("block {height} holds a transaction that may not be in it")]
    Transaction {
        /// Which block.
        height: u64,
        /// Which transaction, and why.
        source: InvalidBlock,
    },
    /// A root of the header, or the stored receipts, differ from what execution gives.
    #[error("block {height}: executing it gives another {what} than the chain says")]
    Differs {
        /// Which block.
        height: u64,
        /// `transaction root`, `state root`, `receipts root` or `receipts`.
        what: &'static str,
    },
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
            return Err(ReplayError::Differs {
                height: 0,
                what: "state root",
            });
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
        let header = recorded.block.header.clone();
        self.check_place(&header, recorded.certificate.as_deref())?;
        let differs = |what| ReplayError::Differs { height, what };
        if Block::tx_root(&recorded.block.transactions) != header.tx_root {
            return Err(differs("transaction root"));
        }
        let block = FinalizedBlock::new(recorded.block, recorded.receipts.clone())?;
        let executed = execute_block(&self.state, &context(&header), &block.transactions)
            .map_err(|source| ReplayError::Transaction { height, source })?;
        let update = root::update(&self.nodes, header.height, &executed.writes)?;
        if update.root != header.state_root {
            return Err(differs("state root"));
        }
        if executed.receipts_root != header.receipts_root {
            return Err(differs("receipts root"));
        }
        if executed.receipts != recorded.receipts {
            return Err(differs("receipts"));
        }
        self.state.apply(&executed.writes);
        for (key, node) in update.nodes {
            match node {
                Some(node) => self.nodes.insert(key, node),
                None => self.nodes.remove(&key),
            };
        }
        self.header = header;
        Ok(Some(block))
    }

    fn check_place(&self, header: &Header, certificate: Option<&[u8]>) -> Result<(), ReplayError> {
        let parent = &self.header;
        let height = parent.height.0 + 1;
        let follows = header.height.0 == height
            && header.parent == parent.digest()
            && header.view > parent.view
            && header.timestamp_ms > parent.timestamp_ms;
        if !follows {
            return Err(ReplayError::Order(height));
        }
        let evidence = |source| ReplayError::Evidence { height, source };
        self.client
            .verify_beacon(parent, header)
            .map_err(evidence)?;
        match certificate {
            Some(certificate) => self
                .client
                .verify_certificate(header, certificate)
                .map_err(evidence),
            None => Ok(()),
        }
    }
}

fn context(header: &Header) -> BlockContext {
    let Header {
        height,
        timestamp_ms,
        ..
    } = *header;
    BlockContext {
        height,
        timestamp_ms,
        beacon: beacon(header),
    }
}
