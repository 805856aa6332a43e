//! The state a network starts from.

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::{Digest, EncryptionKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::state::{Chain, Pools};
use crate::totals;
use crate::{
    Account, AccountId, Amount, BoundedBytes, BoundedString, BoundedVec, ChainId, Height, Offer,
    Parameters, Registration, Role,
};
use crate::{accounts, keys};

/// Everything two nodes must agree on before the first block. Its digest is the [`ChainId`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Genesis {
    /// A name for people.
    pub chain_name: BoundedString<64>,
    /// When the network starts, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Balances.
    pub accounts: BoundedVec<GenesisAccount, 65_536>,
    /// Roles with their bonds, on top of the balances.
    pub registrations: BoundedVec<GenesisRegistration, 65_536>,
    /// Nodes that have an owner.
    pub owners: BoundedVec<GenesisOwner, 65_536>,
    /// The network's numbers.
    pub parameters: Parameters,
    /// The network's threshold public key, as the consensus engine encodes it.
    pub beacon_key: BoundedBytes<65_536>,
    /// Who agrees on blocks, in ascending order of accounts.
    pub validators: BoundedVec<ValidatorInfo, 64>,
}

/// A balance at the start.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct GenesisAccount {
    /// Whose.
    pub account: AccountId,
    /// How much.
    pub balance: Amount,
}

/// A role at the start.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct GenesisRegistration {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub role: Role,
    /// Its bond.
    pub bond: Amount,
    /// Where grants are sealed.
    pub encryption_key: EncryptionKey,
    /// Where peers reach it.
    pub address: BoundedString<256>,
    /// What orders it takes, of a provider and an auditor; none of others.
    pub offer: Option<Offer>,
}

/// A node and who answers for it: see [`AccountCall::Own`](crate::AccountCall::Own).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct GenesisOwner {
    /// The node's account.
    pub node: AccountId,
    /// Its owner.
    pub owner: AccountId,
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ValidatorInfo {
    /// Its account, which is also its identity in the consensus engine. It must be registered
    /// with [`Role::Validator`] in the same genesis.
    pub account: AccountId,
    /// Where other validators reach it: `HOST:PORT`.
    pub address: BoundedString<256>,
}

/// A genesis no network can start from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GenesisError {
    /// An account, registration or validator is listed twice or out of order.
    #[error("{0} is listed twice in the genesis, or a list is out of order")]
    Duplicate(AccountId),
    /// The sum of everything overflows.
    #[error("the genesis supply is above 2^64 micro-tokens; give out less")]
    Supply,
    /// A bond is below the least bond of its role.
    #[error("the {role} bond of {account} is {bond}, below the least bond {min}")]
    Bond {
        /// Whose.
        account: AccountId,
        /// Which role.
        role: Role,
        /// The bond.
        bond: Amount,
        /// The least bond.
        min: Amount,
    },
    /// A validator without a registration, or the other way round.
    #[error(
        "{0} is a validator without registration, or is registered as one without being listed"
    )]
    Validator(AccountId),
    /// No validator at all.
    #[error("the genesis lists no validator; it takes at least one, and four to survive a fault")]
    NoValidators,
    /// A parameter makes no sense.
    #[error("genesis parameters: {0}")]
    Parameters(&'static str),
    /// A provider or auditor without an offer, or another role with one.
    #[error("{account} as {role}: providers and auditors make an offer, and nobody else does")]
    Offer {
        /// Whose.
        account: AccountId,
        /// Which role.
        role: Role,
    },
    /// An account that nobody can hold the key of.
    #[error("{0} is not a public key")]
    Key(AccountId),
    /// A registration with a key to which nothing can be sealed.
    #[error("nothing can be sealed to the encryption key of {0}")]
    Unusable(AccountId),
}

impl Genesis {
    /// Longest encoding, in bytes.
    pub const MAX_BYTES: usize = 16 * 1024 * 1024;

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Serialising into memory cannot fail.
        borsh::to_vec(self).unwrap_or_default()
    }

    /// Reads exactly one genesis; whether it makes sense, [`Genesis::state`] says.
    ///
    /// # Errors
    /// A sentence for bytes that are too many, too few, or no genesis.
    pub fn decode(bytes: &[u8]) -> std::io::Result<Genesis> {
        if bytes.len() > Self::MAX_BYTES {
            let text = format!(
                "a genesis is at most {} bytes, not {}",
                Self::MAX_BYTES,
                bytes.len()
            );
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
        }
        Genesis::try_from_slice(bytes)
    }

    /// The digest of the canonical bytes.
    pub fn digest(&self) -> Digest {
        Digest::of("assay/genesis/v1", &[&self.encode()])
    }

    /// The network's name.
    pub fn chain_id(&self) -> ChainId {
        ChainId(self.digest())
    }

    /// All the money there is and ever will be: balances and bonds.
    ///
    /// # Errors
    /// [`GenesisError::Supply`] on overflow.
    pub fn supply(&self) -> Result<Amount, GenesisError> {
        let balances = self.accounts.iter().map(|account| account.balance);
        let bonds = self
            .registrations
            .iter()
            .map(|registration| registration.bond);
        balances
            .chain(bonds)
            .try_fold(Amount::ZERO, Amount::checked_add)
            .ok_or(GenesisError::Supply)
    }

    /// The state at height 0.
    ///
    /// # Errors
    /// [`GenesisError`] when the genesis contradicts itself.
    pub fn state(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, GenesisError> {
        self.check()?;
        let mut state = BTreeMap::new();
        let mut put = |key: Vec<u8>, value: borsh::io::Result<Vec<u8>>| {
            // Serialising into memory cannot fail.
            state.insert(key, value.unwrap_or_default());
        };
        for GenesisAccount { account, balance } in &self.accounts {
            let value = Account {
                balance: *balance,
                nonce: 0,
            };
            put(accounts::keys::account(account), borsh::to_vec(&value));
        }
        for registration in &self.registrations {
            let value = Registration {
                bond: registration.bond,
                locked: Amount::ZERO,
                encryption_key: registration.encryption_key,
                address: registration.address.clone(),
                since: Height(0),
                leaving: false,
                offer: registration.offer.clone(),
                serving: 0,
                asked: 0,
                missed: 0,
                suspended: false,
            };
            let key = accounts::keys::registration(registration.role, &registration.account);
            put(key, borsh::to_vec(&value));
        }
        for GenesisOwner { node, owner } in &self.owners {
            put(accounts::keys::owner(node), borsh::to_vec(owner));
        }
        let validators: Vec<AccountId> = self.validators.iter().map(|v| v.account).collect();
        let chain = Chain {
            id: self.chain_id(),
            name: self.chain_name.clone(),
            supply: self.supply()?,
            validators,
            parameters: self.parameters.clone(),
        };
        put(keys::chain(), borsh::to_vec(&chain));
        let pools = Pools {
            // What was just written reads back.
            held: totals::of_all(state.iter()).unwrap_or_default(),
            ..Pools::default()
        };
        state.insert(keys::pools(), borsh::to_vec(&pools).unwrap_or_default());
        Ok(state)
    }

    fn check(&self) -> Result<(), GenesisError> {
        if let Some(problem) = self.parameters.problem(self.validators.len()) {
            return Err(GenesisError::Parameters(problem));
        }
        distinct(self.accounts.iter().map(|account| (account.account, ())))?;
        distinct(self.registrations.iter().map(|r| (r.account, r.role)))?;
        if !self
            .validators
            .is_sorted_by(|left, right| left.account < right.account)
        {
            return Err(GenesisError::Duplicate(self.validators[0].account));
        }
        let mut listed: BTreeSet<_> = self.validators.iter().map(|v| v.account).collect();
        if listed.is_empty() {
            return Err(GenesisError::NoValidators);
        }
        for registration in &self.registrations {
            let (account, role) = (registration.account, registration.role);
            let (bond, min) = (registration.bond, self.parameters.min_bond(role));
            if bond < min {
                return Err(GenesisError::Bond {
                    account,
                    role,
                    bond,
                    min,
                });
            }
            if role == Role::Validator && !listed.remove(&account) {
                return Err(GenesisError::Validator(account));
            }
            account.check().map_err(|_| GenesisError::Key(account))?;
            if role.is_drawn() != registration.offer.is_some() {
                return Err(GenesisError::Offer { account, role });
            }
            let key = registration.encryption_key;
            key.check().map_err(|_| GenesisError::Unusable(account))?;
        }
        if let Some(unregistered) = listed.first() {
            return Err(GenesisError::Validator(*unregistered));
        }
        distinct(self.owners.iter().map(|of| (of.node, ())))?;
        for GenesisOwner { owner, .. } in &self.owners {
            owner.check().map_err(|_| GenesisError::Key(*owner))?;
        }
        for GenesisAccount { account, .. } in &self.accounts {
            account.check().map_err(|_| GenesisError::Key(*account))?;
        }
        self.supply().map(|_| ())
    }
}

fn distinct<K: Ord>(names: impl Iterator<Item = (AccountId, K)>) -> Result<(), GenesisError> {
    let mut seen = BTreeSet::new();
    for (account, rest) in names {
        if !seen.insert((account, rest)) {
            return Err(GenesisError::Duplicate(account));
        }
    }
    Ok(())
}
