//! Whether a block may follow its parent: the one rule that voters, followers and auditors share.

use assay_crypto::Digest;
use assay_ledger::root::{self, TreeError, TreeStore};
use assay_ledger::{
    BlockContext, ExecuteError, ReadError, Store, Transaction, TxId, execute_verified_block,
};

use crate::beacon::{BeaconVerifier, beacon};
use crate::block::Block;
use crate::header::Header;
use crate::outcome::Outcome;

/// Why a block can never follow its parent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Height or parent digest do not continue the parent.
    #[error("it does not name the block below it as parent")]
    Parent,
    /// Not the view it was proposed in, or not above the parent's.
    #[error("its view {0} is not the one it was proposed in, or not above its parent's")]
    View(u64),
    /// Time stands still or runs backwards.
    #[error("its timestamp {found} is not above its parent's {parent}")]
    Timestamp {
        /// Milliseconds, of the parent.
        parent: u64,
        /// Milliseconds, of the block.
        found: u64,
    },
    /// Another signature than the network's over the parent's height.
    #[error("its beacon is not the network's signature over the parent's height")]
    Beacon,
    /// The transactions are not those the header commits to.
    #[error("its transaction root does not match its transactions")]
    TransactionRoot,
    /// A transaction does not decode, is not signed by its sender, or may not be in the block.
    #[error("transaction {index} may not be in it: {reason}")]
    Transaction {
        /// Position in the block.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// Execution gives another state.
    #[error("executing it gives state root {expected}, it says {found}")]
    StateRoot {
        /// What execution gives.
        expected: Digest,
        /// What the header says.
        found: Digest,
    },
    /// Execution gives other receipts.
    #[error("executing it gives receipts root {expected}, it says {found}")]
    ReceiptsRoot {
        /// What execution gives.
        expected: Digest,
        /// What the header says.
        found: Digest,
    },
}

/// No verdict of [`judge`] but this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JudgeError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Nothing about the block: the state tree here is damaged or cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Nothing about the block: the state here cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Invalid {
    fn transaction(index: usize, reason: &dyn std::fmt::Display) -> Self {
        Self::Transaction {
            index,
            reason: reason.to_string(),
        }
    }
}

/// The parent a block is judged on: its header, and the state after it.
pub(crate) struct Parent<'a> {
    pub(crate) header: &'a Header,
    pub(crate) state: &'a dyn Store,
    pub(crate) tree: &'a dyn TreeStore,
}

/// Checks everything about `block` that its parent decides, and executes it. Signatures of the
/// transactions that `verified` knows are not verified again.
pub(crate) fn judge(
    parent: &Parent<'_>,
    block: &Block,
    beacons: &BeaconVerifier,
    verified: impl Fn(&TxId) -> bool,
) -> Result<Outcome, JudgeError> {
    check_header(parent.header, &block.header, beacons)?;
    if block.header.tx_root != Block::tx_root(&block.transactions) {
        return Err(Invalid::TransactionRoot.into());
    }
    let transactions = decode(&block.transactions, verified)?;
    let outcome = execute(parent, &block.header, &transactions)?;
    let Header {
        state_root,
        receipts_root,
        ..
    } = block.header;
    if outcome.state_root != state_root {
        let expected = outcome.state_root;
        return Err(Invalid::StateRoot {
            expected,
            found: state_root,
        }
        .into());
    }
    if outcome.receipts_root != receipts_root {
        let expected = outcome.receipts_root;
        return Err(Invalid::ReceiptsRoot {
            expected,
            found: receipts_root,
        }
        .into());
    }
    Ok(outcome)
}

fn check_header(parent: &Header, header: &Header, beacons: &BeaconVerifier) -> Result<(), Invalid> {
    if header.parent != parent.digest() || Some(header.height.0) != parent.height.0.checked_add(1) {
        return Err(Invalid::Parent);
    }
    if header.view <= parent.view {
        return Err(Invalid::View(header.view));
    }
    if header.timestamp_ms <= parent.timestamp_ms {
        let (parent, found) = (parent.timestamp_ms, header.timestamp_ms);
        return Err(Invalid::Timestamp { parent, found });
    }
    if !beacons.header_is_valid(parent, header) {
        return Err(Invalid::Beacon);
    }
    Ok(())
}

fn decode(
    encoded: &[Vec<u8>],
    verified: impl Fn(&TxId) -> bool,
) -> Result<Vec<Transaction>, Invalid> {
    let mut transactions = Vec::with_capacity(encoded.len());
    for (index, bytes) in encoded.iter().enumerate() {
        let transaction =
            Transaction::decode(bytes).map_err(|error| Invalid::transaction(index, &error))?;
        if !verified(&transaction.id()) {
            transaction
                .verify()
                .map_err(|error| Invalid::transaction(index, &error))?;
        }
        transactions.push(transaction);
    }
    Ok(transactions)
}

/// Executes transactions with verified signatures as the block with `header`, whose roots are not
/// looked at.
pub(crate) fn execute(
    parent: &Parent<'_>,
    header: &Header,
    transactions: &[Transaction],
) -> Result<Outcome, JudgeError> {
    let Header {
        height,
        timestamp_ms,
        view,
        ..
    } = *header;
    let context = BlockContext {
        height,
        timestamp_ms,
        beacon: beacon(header),
        view: Some(view),
    };
    let executed = execute_verified_block(parent.state, &context, transactions);
    let executed = executed.map_err(|error| match error {
        ExecuteError::Invalid(invalid) => {
            JudgeError::Invalid(Invalid::transaction(invalid.index, &invalid.reason))
        }
        ExecuteError::Read(error) => JudgeError::Read(error),
    })?;
    let update = root::update(parent.tree, height, &executed.writes)?;
    Ok(Outcome {
        writes: executed.writes,
        nodes: update.nodes,
        state_root: update.root,
        receipts: executed.receipts,
        receipts_root: executed.receipts_root,
    })
}
