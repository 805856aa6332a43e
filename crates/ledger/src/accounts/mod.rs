//! Accounts, their money, and the bonds that stand behind their roles.

mod apply;
mod call;
pub(crate) mod keys;
pub(crate) mod money;
mod offer;
mod share;
mod unbond;

pub(crate) use apply::{apply, usable};
pub use call::{AccountCall, AccountEvent, AccountRefusal, CONSENT_DOMAIN, consent};
pub(crate) use offer::acts;
pub use offer::{Offer, Unmet};
pub use share::eligible_share;
pub(crate) use unbond::free;

use assay_crypto::EncryptionKey;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{Amount, BoundedString, Height, Terms};

/// Freely disposable money of one key holder. An account exists as soon as it was ever credited.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Account {
    /// What the account can spend.
    pub balance: Amount,
    /// The nonce its next transaction must carry; equals the number of transactions included.
    pub nonce: u64,
}

/// What a registered account offers to do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Agrees on blocks and attests in disputes. The set is fixed by the genesis.
    Validator,
    /// Runs jobs.
    Provider,
    /// Replays drawn segments of jobs.
    Auditor,
    /// Keeps files.
    Storage,
}

impl Role {
    /// Every role, in the order of their encoding.
    pub const ALL: [Role; 4] = [
        Role::Validator,
        Role::Provider,
        Role::Auditor,
        Role::Storage,
    ];

    /// Its place in keys of the state; the same as in its encoding.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Role::Validator => 0,
            Role::Provider => 1,
            Role::Auditor => 2,
            Role::Storage => 3,
        }
    }

    /// Whether orders are drawn to whoever has it, so that an [`Offer`] goes with it.
    pub fn is_drawn(self) -> bool {
        matches!(self, Role::Provider | Role::Auditor)
    }

    /// The role's name, in JSON, configuration files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Role::Validator => "validator",
            Role::Provider => "provider",
            Role::Auditor => "auditor",
            Role::Storage => "storage",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no role is called that; the roles are validator, provider, auditor and storage")]
pub struct UnknownRole;

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let mut roles = Role::ALL.into_iter();
        roles.find(|role| role.name() == text).ok_or(UnknownRole)
    }
}

/// One account in one role.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Registration {
    /// The whole bond, locked part included.
    pub bond: Amount,
    /// The part locked by orders under way; `locked <= bond` always.
    pub locked: Amount,
    /// Grants for this account in this role are sealed to this key.
    pub encryption_key: EncryptionKey,
    /// Where peers reach it, as the transport writes addresses.
    pub address: BoundedString<256>,
    /// Height of the first registration.
    pub since: Height,
    /// Unregistered: drawn no more; what is still locked starts to unbond once it comes free.
    pub leaving: bool,
    /// What orders it takes; of roles that orders are drawn to, which are provider and auditor.
    pub offer: Option<Offer>,
    /// Orders under way that lock a part of the bond.
    pub serving: u16,
    /// Open lists of those who are asked to take part in an order, with it among them.
    pub asked: u16,
    /// Times that it was asked to take part in an order and did not answer.
    pub missed: u32,
    /// It did not answer: drawn no more until it is registered again, for a fee.
    pub suspended: bool,
}

impl Registration {
    /// The part of the bond that a new order may lock; nothing when leaving.
    pub fn free(&self) -> Amount {
        if self.leaving {
            return Amount::ZERO;
        }
        Amount(self.bond.0.saturating_sub(self.locked.0))
    }

    /// Slots that are taken: each order under way takes one, and each that it is asked for, so that
    /// nobody is asked for more than it could do.
    pub fn taken(&self) -> u16 {
        self.serving.saturating_add(self.asked)
    }

    /// Why it is not drawn in `role` for an order with these terms now; nothing if it can be.
    pub fn refuses(&self, role: Role, terms: &Terms) -> Vec<Unmet> {
        if self.leaving {
            return vec![Unmet::Leaving];
        }
        if self.suspended {
            return vec![Unmet::Suspended];
        }
        let Some(offer) = &self.offer else {
            return vec![Unmet::NoOffer];
        };
        let mut unmet = offer.refuses(role, terms);
        let orders = self.taken();
        if orders >= offer.orders {
            unmet.push(Unmet::Busy { orders });
        }
        let (free, bond) = (self.free(), terms.bond(role));
        if free < bond {
            unmet.push(Unmet::Free { free, bond });
        }
        unmet
    }
}
