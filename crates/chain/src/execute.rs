//! What a block may hold, and the state that a genesis begins with.

use assay_ledger::root::TreeError;
use assay_ledger::{
    AccountId, Admission, AdmitError, BlockReceipts, Genesis, GenesisError, Invalid, ReadError,
    Store, Transaction, query, root,
};

use crate::mempool::pending::Pending;
use crate::outcome::Outcome;
use crate::speculate::View;

/// Transactions that were chosen for a block.
#[derive(Default)]
pub(crate) struct Sorted {
    /// Those that the block may hold, in order.
    pub(crate) taken: Vec<Pending>,
    /// The same, decoded.
    pub(crate) transactions: Vec<Transaction>,
    /// Those to drop.
    pub(crate) dropped: Vec<Pending>,
}

/// Splits `chosen` into those that the block on `parent` may hold and those to drop.
pub(crate) fn admissible(parent: &View, chosen: Vec<Pending>) -> Result<Sorted, ReadError> {
    let mut admission = Admission::new(parent)?;
    let mut sorted = Sorted::default();
    for pending in chosen {
        let Ok(transaction) = Transaction::decode(&pending.encoded) else {
            sorted.dropped.push(pending);
            continue;
        };
        match admission.admit(&transaction) {
            Ok(()) => {
                sorted.taken.push(pending);
                sorted.transactions.push(transaction);
            }
            // The others wait for the next block.
            Err(AdmitError::Invalid(Invalid::BlockFull { .. })) => break,
            Err(AdmitError::Invalid(_)) => sorted.dropped.push(pending),
            Err(AdmitError::Read(error)) => return Err(error),
        }
    }
    Ok(sorted)
}

/// The state of the genesis block.
pub(crate) fn genesis_outcome(genesis: &Genesis) -> Result<Outcome, GenesisProblem> {
    let state = genesis.state()?;
    let update = root::genesis(&state)?;
    let receipts = BlockReceipts::default();
    Ok(Outcome {
        writes: state
            .into_iter()
            .map(|(key, value)| (key, Some(value)))
            .collect(),
        nodes: update.nodes,
        state_root: update.root,
        receipts_root: receipts.tree().root(),
        receipts,
    })
}

/// Why no chain can start from a genesis.
#[derive(Debug, thiserror::Error)]
pub enum GenesisProblem {
    /// The genesis contradicts itself.
    #[error("the genesis is inconsistent")]
    Inconsistent(#[from] GenesisError),
    /// Its state tree cannot be built.
    #[error("the state tree of the genesis cannot be built")]
    Tree(#[from] TreeError),
}

/// The nonce the account's next transaction must have.
pub(crate) fn next_nonce(store: &dyn Store, sender: &AccountId) -> Result<u64, ReadError> {
    Ok(query::account(store, sender)?.nonce)
}
