//! What a transaction can ask for.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::state::State;
use crate::{
    AccountCall, FileCall, OrderCall, OrderId, Refusal, Transaction, accounts, files, orders,
};

/// One request to the ledger. Who may make it, and when, is in `docs/ledger.md`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// About an account.
    Account(AccountCall),
    /// About a file.
    File(FileCall),
    /// About an order.
    Order(OrderCall),
}

impl Call {
    /// The call's name as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Call::Account(call) => call.name(),
            Call::File(call) => call.name(),
            Call::Order(call) => call.name(),
        }
    }

    /// Highest cost of a call.
    pub const MAX_COST: u32 = 64;

    /// What posting an order costs.
    pub(crate) const POST_COST: u32 = 12;

    /// What the call costs a block: the records of the state that it is expected to write, since
    /// writing one and hashing it into the state's root is what takes time. Known before it is
    /// executed, so that whoever makes a block knows when it is full.
    ///
    /// An order that ends after many failed runs and audit rounds writes more than
    /// [`Call::MAX_COST`]: it leaves an index for everybody who ever took part, and each of them
    /// had a bond at stake. So may the one attestation of many that pays the validators of a large set for
    /// their verdict.
    pub fn cost(&self) -> u32 {
        match self {
            // Two accounts.
            Call::Account(AccountCall::Transfer { .. }) => 2,
            // The account, the registration, a timer.
            Call::Account(_) => 3,
            // Record, contract, timers, index; of each node the bond, and its account and bond where
            // the record is moved.
            Call::File(FileCall::Put { acceptances, .. }) => 8 + 3 * acceptances.len() as u32,
            // Account and bond of every node, besides the record and what belongs to it.
            Call::File(FileCall::Delete { .. }) => 40,
            // Grant, timers, indexes.
            Call::File(_) => 6,
            // Head, run, dispute, grant, timers and indexes.
            Call::Order(
                OrderCall::Post(_)
                | OrderCall::Grant { .. }
                | OrderCall::CommitTrace { .. }
                | OrderCall::OpenStarts { .. }
                | OrderCall::CommitAudit { .. }
                | OrderCall::OpenEnds { .. }
                | OrderCall::Bisect { .. }
                | OrderCall::CommitFinding { .. }
                | OrderCall::Join { .. }
                | OrderCall::Leave { .. }
                | OrderCall::CommitUpdate { .. }
                | OrderCall::Hold { .. }
                | OrderCall::DealKey { .. }
                | OrderCall::Claim { .. }
                | OrderCall::OpenShare { .. }
                | OrderCall::ChallengeScore { .. },
            ) => Self::POST_COST,
            // What may end an order frees the bond of every party and seat besides.
            Call::Order(_) => Self::MAX_COST,
        }
    }

    /// The order that the call is about, if it is about one that exists already.
    pub fn order(&self) -> Option<OrderId> {
        match self {
            Call::Account(_) | Call::File(_) => None,
            Call::Order(call) => call.order(),
        }
    }
}

impl From<AccountCall> for Call {
    fn from(call: AccountCall) -> Call {
        Call::Account(call)
    }
}

impl From<FileCall> for Call {
    fn from(call: FileCall) -> Call {
        Call::File(call)
    }
}

impl From<OrderCall> for Call {
    fn from(call: OrderCall) -> Call {
        Call::Order(call)
    }
}

/// Applies a transaction's call; on `Err` the caller forgets whatever was written.
pub(crate) fn apply(state: &mut State<'_>, tx: &Transaction) -> Result<(), Refusal> {
    match &tx.call {
        Call::Account(call) => accounts::apply(state, tx.sender, call),
        Call::File(call) => files::apply(state, tx.sender, call),
        Call::Order(call) => orders::apply(state, (tx.sender, tx.nonce), call),
    }
}
