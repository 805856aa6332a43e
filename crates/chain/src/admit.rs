//! Admission of single transactions to the pool.

use std::sync::Arc;

use assay_ledger::{
    Admission, AdmitError, Amount, DecodeError, Invalid, ReadError, Transaction, TxId, query,
};

use crate::core::{Core, NotQueued};
use crate::mempool::pending::{LIMITS, Pending, Refusal};

/// Why a validator does not take a transaction.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The bytes are not a transaction, or too many.
    #[error("this is not a transaction")]
    Malformed(#[from] DecodeError),
    /// It can never be in a block, or not on the present state.
    #[error("the transaction is not valid")]
    Invalid(#[from] Invalid),
    /// One before it is neither in a block nor waiting here.
    #[error("its nonce is {found}, but the account's next one here is {expected}: send that first")]
    Gap {
        /// The nonce that comes next.
        expected: u64,
        /// The transaction's.
        found: u64,
    },
    /// Another transaction with the same nonce is waiting.
    #[error(
        "another transaction with nonce {nonce} is waiting: use the next nonce, wait, or replace it with a fee of {fee} or more"
    )]
    NonceTaken {
        /// The nonce.
        nonce: u64,
        /// The least fee that would replace it.
        fee: Amount,
    },
    /// Others pay more for every place.
    #[error(
        "the pool is full of transactions that pay more: a fee of {fee} or more would be taken now"
    )]
    Full {
        /// The least fee that would be taken now.
        fee: Amount,
    },
    /// Others pay more than one of this sender's that has to go first.
    #[error(
        "the pool is full, and this account's transactions before this one pay too little: replace them with a higher fee, or wait"
    )]
    Behind,
    /// The sender has as many waiting as it may.
    #[error("{0} transactions of this account are waiting: wait until one of them is in a block")]
    SenderFull(usize),
    /// The sender cannot pay for all that it has waiting.
    #[error(
        "with this one the fees of the account's waiting transactions add up to {sum}, its balance is {balance}"
    )]
    Unaffordable {
        /// Of all waiting ones and this one.
        sum: Amount,
        /// The account's.
        balance: Amount,
    },
    /// The validator has stopped.
    #[error("this validator has stopped; ask another one")]
    Stopped,
    /// Nothing about the transaction: the state here cannot be read.
    #[error("this validator cannot judge it; ask another one")]
    Unread(#[from] ReadError),
}

/// A transaction that is in the pool now.
pub(crate) struct Admitted {
    pub(crate) id: TxId,
    /// Its bytes, to pass on; `None` if it was there before.
    pub(crate) fresh: Option<Arc<Vec<u8>>>,
}

/// Checks a transaction that arrived from a client or a peer and puts it into the pool. A second
/// copy of a waiting one is fine and changes nothing.
pub(crate) fn admit(core: &Core, encoded: Vec<u8>) -> Result<Admitted, SubmitError> {
    let transaction = Transaction::decode(&encoded)?;
    let id = transaction.id();
    if core.pool().contains(&id) {
        return Ok(Admitted { id, fresh: None });
    }
    let base = core.speculation.base();
    let account = query::account(base.as_ref(), &transaction.sender)?;
    let (expected, found) = (account.nonce, transaction.nonce);
    if found < expected {
        return Err(Invalid::Nonce { expected, found }.into());
    }
    // Cheap to find out, and cheap to send by the thousand: before any signature is verified.
    let next = core.pool().expected(&transaction.sender, expected);
    if found > next {
        return Err(SubmitError::Gap {
            expected: next,
            found,
        });
    }
    // The rules of a block, as if the transactions before this one had been included.
    let as_if_next = Transaction {
        nonce: expected,
        ..transaction.clone()
    };
    Admission::new(base.as_ref())?
        .admit(&as_if_next)
        .map_err(|error| match error {
            AdmitError::Invalid(invalid) => SubmitError::Invalid(invalid),
            AdmitError::Read(error) => SubmitError::Unread(error),
        })?;
    transaction.verify().map_err(|_| Invalid::Signature)?;
    let encoded = Arc::new(encoded);
    let pending = Pending {
        id,
        sender: transaction.sender,
        nonce: found,
        fee: transaction.fee,
        encoded: encoded.clone(),
        cost: transaction.call.cost(),
        turn: query::turn(base.as_ref(), transaction.sender, &transaction.call)?,
    };
    let refusal = match core.enqueue(pending) {
        Ok(()) => {
            return Ok(Admitted {
                id,
                fresh: Some(encoded),
            });
        }
        Err(NotQueued::Unread(error)) => return Err(error.into()),
        Err(NotQueued::Refused(refusal)) => refusal,
    };
    match refusal {
        Refusal::Duplicate => Ok(Admitted { id, fresh: None }),
        Refusal::Full { fee } => Err(SubmitError::Full { fee }),
        Refusal::Behind => Err(SubmitError::Behind),
        Refusal::SenderFull => Err(SubmitError::SenderFull(LIMITS.per_sender)),
        Refusal::NonceUsed => Err(Invalid::Nonce { expected, found }.into()),
        Refusal::Gap { expected } => Err(SubmitError::Gap { expected, found }),
        Refusal::NonceTaken { fee } => Err(SubmitError::NonceTaken { nonce: found, fee }),
        Refusal::Unaffordable { sum, balance } => Err(SubmitError::Unaffordable { sum, balance }),
    }
}
