//! What may be asked, what happens and what is refused about accounts.

use assay_crypto::{EncryptionKey, Signature};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{AccountId, Amount, BoundedString, ChainId, Offer, Role};

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
    /// Offers a role, or adds to the bond and renews key, address and offer of one held already.
    /// An offer that was suspended costs
    /// [`Parameters::renewal_fee`](crate::Parameters::renewal_fee) besides.
    Register {
        /// The role.
        role: Role,
        /// Moved from the balance to the bond.
        bond: Amount,
        /// Where grants to this account are sealed.
        encryption_key: EncryptionKey,
        /// Where peers reach it.
        address: BoundedString<256>,
        /// What orders it takes, of a role that orders are drawn to; none of another.
        offer: Option<Offer>,
    },
    /// Says that the sender owns a node: draws that must come apart never take two nodes of one
    /// owner. It takes both sides: the sender's transaction, and the node's consent.
    Own {
        /// The node's account.
        node: AccountId,
        /// The node's signature: see [`consent`].
        consent: Signature,
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
            AccountCall::Own { .. } => "own",
            AccountCall::Unregister { .. } => "unregister",
        }
    }
}

/// What a node signs to have an owner, in the domain [`CONSENT_DOMAIN`].
pub fn consent(chain: ChainId, owner: &AccountId) -> [u8; 64] {
    let mut text = [0; 64];
    let (first, second) = text.split_at_mut(32);
    first.copy_from_slice(&chain.0.0);
    second.copy_from_slice(&owner.0);
    text
}

/// The domain of a node's consent to its owner.
pub const CONSENT_DOMAIN: &str = "assay/owner consent/v1";

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
    /// A node has an owner.
    Owned { node: AccountId, owner: AccountId },
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
    #[error(
        "the consent is not node {node}'s to this owner; let the node sign it for this network"
    )]
    NoConsent { node: AccountId },
    #[error("a {role} says what orders it takes; add an offer")]
    NoOffer { role: Role },
    #[error("no orders are drawn to a {role}; leave the offer away")]
    OfferUnused { role: Role },
    #[error("{account} is not registered as {role}")]
    NotRegistered { account: AccountId, role: Role },
    #[error("nothing can be sealed to the encryption key {key}; take that of a real secret")]
    UnusableKey { key: EncryptionKey },
}
