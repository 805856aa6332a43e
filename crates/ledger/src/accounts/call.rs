//! What may be asked, what happens and what is refused about accounts.

use assay_crypto::EncryptionKey;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{AccountId, Amount, BoundedString, Role};

/// A request about the sender's account.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountCall {
    /// Moves money to another account.
    Transfer {
        /// The receiver.
        to: AccountId,
        /// How much.
        amount: Amount,
    },
    /// Offers a role, or adds to the bond and renews key and address of one offered already.
    Register {
        /// The role.
        role: Role,
        /// Moved from the balance to the bond.
        bond: Amount,
        /// Where grants to this account are sealed.
        encryption_key: EncryptionKey,
        /// Where peers reach it.
        address: BoundedString<256>,
    },
    /// Gives up a role. What is not locked unbonds at once, the rest when its orders end.
    Unregister {
        /// The role.
        role: Role,
    },
}

impl AccountCall {
    /// The call's name as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            AccountCall::Transfer { .. } => "transfer",
            AccountCall::Register { .. } => "register",
            AccountCall::Unregister { .. } => "unregister",
        }
    }
}

/// Something that happened to an account.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields say what they are: who, which role, how much"
)]
pub enum AccountEvent {
    /// Money moved between accounts.
    Transferred {
        from: AccountId,
        to: AccountId,
        amount: Amount,
    },
    /// A role was offered or its bond raised.
    Registered {
        account: AccountId,
        role: Role,
        bond: Amount,
    },
    /// A role was given up.
    Unregistered { account: AccountId, role: Role },
    /// A bond, or part of it, came back to the balance.
    Unbonded {
        account: AccountId,
        role: Role,
        amount: Amount,
    },
}

/// Why a call about an account, or about money, took no effect.
#[derive(
    Clone, Debug, PartialEq, Eq, Error, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(tag = "refusal", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum AccountRefusal {
    #[error("the balance is {balance}, the call takes {needed}; get more or spend less")]
    InsufficientBalance { balance: Amount, needed: Amount },
    #[error("{account} is not a public key; check for a typing error")]
    NotAKey { account: AccountId },
    #[error("the amount is zero")]
    ZeroAmount,
    #[error("an amount overflows; use smaller numbers")]
    Overflow,
    #[error("a {role} bonds at least {min}; with this call the bond would be {bond}")]
    BondTooSmall {
        role: Role,
        bond: Amount,
        min: Amount,
    },
    #[error("the validators of this network are fixed by its genesis; take another role")]
    ValidatorsAreFixed,
    #[error("{account} is not registered as {role}")]
    NotRegistered { account: AccountId, role: Role },
}
