//! A copy of the ledger that believes nobody: every block is executed here and compared with its
//! header. That the header is final is for the caller to know.

use std::{collections::BTreeMap, sync::Arc};

use assay_api::ChainError;
use assay_chain::{Block, Header, beacon};
use assay_ledger::{
    BlockContext, BlockReceipts, ExecuteError, Genesis, GenesisError, Height, MemoryStore, Store,
    Transaction, execute_block, root,
};

use crate::told;

/// Why a block does not go onto this copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplicaError {
    #[error("no ledger can start from this genesis")]
    Genesis(#[from] GenesisError),
    #[error("block {found} was shown where {expected} comes next")]
    NotNext { found: Height, expected: Height },
    #[error("transaction {index} of block {height} is malformed")]
    Transaction {
        height: Height,
        index: usize,
        #[source]
        source: assay_ledger::DecodeError,
    },
    #[error("block {height} cannot be executed")]
    Invalid {
        height: Height,
        #[source]
        source: ExecuteError,
    },
    #[error("the state tree of this copy cannot be updated")]
    Tree(#[from] root::TreeError),
    #[error("block {height} has another {what} root than its header says")]
    Root { height: Height, what: &'static str },
}

/// The ledger as far as it was shown.
pub(super) struct Replica {
    state: Arc<MemoryStore>,
    tree: BTreeMap<Vec<u8>, Vec<u8>>,
    head: Header,
}

impl Replica {
    /// The state of a genesis.
    pub(super) fn new(genesis: &Genesis) -> Result<Self, ReplicaError> {
        let state = genesis.state()?;
        let update = root::genesis(&state)?;
        let head = Header {
            height: Height(0),
            parent: genesis.digest(),
            view: 0,
            timestamp_ms: genesis.timestamp_ms,
            beacon: None,
            tx_root: Block::tx_root(&[]),
            state_root: update.root,
            receipts_root: BlockReceipts::default().tree().root(),
        };
        let state = Arc::new(MemoryStore::new(state));
        let mut replica = Self {
            state,
            tree: BTreeMap::new(),
            head,
        };
        replica.grow(update.nodes);
        Ok(replica)
    }

    /// Header of the last block.
    pub(super) fn head(&self) -> &Header {
        &self.head
    }

    /// The state after it; later blocks do not change what was handed out.
    pub(super) fn state(&self) -> &Arc<MemoryStore> {
        &self.state
    }

    /// A value of the state, or its absence, with its proof.
    pub(super) fn prove(&self, key: &[u8]) -> Result<(Option<Vec<u8>>, root::Proof), ChainError> {
        let value = self.state.get(key)?;
        let proof = root::prove(&self.tree, self.head.height, key, value.as_deref());
        let proof = proof.map_err(|error| ChainError::Local(told(&error)))?;
        Ok((value, proof))
    }

    /// Executes the next block, whose header is known to be final. The copy is unchanged on an
    /// error.
    pub(super) fn extend(
        &mut self,
        block: &Block,
    ) -> Result<(Vec<Transaction>, BlockReceipts), ReplicaError> {
        let header = &block.header;
        let height = header.height;
        let expected = self.head.height.after(1);
        // Headers at height 1 name the genesis header, which everybody derives.
        if height != expected || header.parent != self.head.digest() {
            return Err(ReplicaError::NotNext {
                found: height,
                expected,
            });
        }
        if Block::tx_root(&block.transactions) != header.tx_root {
            return Err(ReplicaError::Root {
                height,
                what: "transaction",
            });
        }
        let mut transactions = Vec::with_capacity(block.transactions.len());
        for (index, bytes) in block.transactions.iter().enumerate() {
            let transaction =
                Transaction::decode(bytes).map_err(|source| ReplicaError::Transaction {
                    height,
                    index,
                    source,
                })?;
            transactions.push(transaction);
        }
        let context = BlockContext {
            height,
            timestamp_ms: header.timestamp_ms,
            beacon: beacon(header),
            view: Some(header.view),
        };
        let executed = execute_block(&*self.state, &context, &transactions)
            .map_err(|source| ReplicaError::Invalid { height, source })?;
        if executed.receipts_root != header.receipts_root {
            return Err(ReplicaError::Root {
                height,
                what: "receipts",
            });
        }
        let update = root::update(&self.tree, height, &executed.writes)?;
        if update.root != header.state_root {
            return Err(ReplicaError::Root {
                height,
                what: "state",
            });
        }
        // Copies the state only while somebody keeps the one before.
        Arc::make_mut(&mut self.state).apply(&executed.writes);
        self.grow(update.nodes);
        self.head = header.clone();
        Ok((transactions, executed.receipts))
    }

    fn grow(&mut self, nodes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        for (key, node) in nodes {
            match node {
                Some(node) => self.tree.insert(key, node),
                None => self.tree.remove(&key),
            };
        }
    }
}
