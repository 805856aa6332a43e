//! A key that others keep until the ledger says that they may open it.
//!
//! [`KeyCustody`] is what a contest needs of that; [`ValidatorCustody`] is the one scheme there is. `docs/custody.md`
//! says which trust it needs.

use assay_crypto::custody::{BadDealing, CustodyKey, CustodyPoint, Dealing, KeyShare};
use assay_crypto::{Digest, EncryptionKey, Sealed};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{AccountId, BoundedBytes, BoundedVec, OrderId, Phase};

/// A share, sealed to whoever keeps it.
pub type SealedShare = BoundedBytes<{ assay_crypto::custody::SEALED_SHARE }>;

/// The points of a dealing: no more than half of the custodians open it.
pub type CustodyPoints = BoundedVec<CustodyPoint, 32>;

/// How a key is kept by others.
pub trait KeyCustody {
    /// How many keep it.
    fn custodians(&self) -> usize;

    /// ContestShares that open it.
    fn threshold(&self) -> usize;

    /// Refuses what is no dealing of the key that it is known by.
    ///
    /// # Errors
    /// A sentence saying what is wrong.
    fn check(&self, dealing: &Dealing) -> Result<(), String>;

    /// The key, from the shares that were shown, each with its custodian's place; `None` while they are too
    /// few.
    fn open(&self, points: &[CustodyPoint], shares: &[(u16, KeyShare)]) -> Option<CustodyKey>;
}

/// The network's validators keep it: of so many, so many can be liars, and one more opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidatorCustody {
    /// What the key is known by.
    pub key: CustodyPoint,
    /// How many there are.
    pub all: usize,
    /// How many of them may lie.
    pub liars: usize,
}

impl KeyCustody for ValidatorCustody {
    fn custodians(&self) -> usize {
        self.all
    }

    fn threshold(&self) -> usize {
        self.liars.saturating_add(1)
    }

    fn check(&self, dealing: &Dealing) -> Result<(), String> {
        let told = |bad: BadDealing| bad.to_string();
        dealing
            .check(self.threshold(), self.custodians())
            .map_err(told)?;
        match dealing.points.first() == Some(&self.key) {
            true => Ok(()),
            false => Err("it deals another key than the terms name".to_owned()),
        }
    }

    fn open(&self, points: &[CustodyPoint], shares: &[(u16, KeyShare)]) -> Option<CustodyKey> {
        let shares: Vec<_> = shares
            .iter()
            .map(|(at, share)| (usize::from(*at), share.clone()))
            .collect();
        CustodyKey::open(points, &shares)
    }
}

/// A key in custody: whose it is in, under which keys, and what has been shown of it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Custody {
    /// Digest of the custodians with the encryption keys that the shares are sealed to: those change.
    pub under: Digest,
    /// Those keys, in the order of the custodians.
    pub keys: Vec<EncryptionKey>,
    /// What fixes the key and every share.
    pub points: CustodyPoints,
    /// The sealed shares, in the order of the custodians, until the key is open.
    pub sealed: Vec<SealedShare>,
    /// The phase in which it opens; before, no share is taken.
    pub opens: Phase,
    /// Who says that its share is good, or is not.
    pub checked: Vec<(AccountId, bool)>,
    /// ContestShares that were shown, each with its custodian's place.
    pub shares: Vec<(u16, KeyShare)>,
    /// The key, once it is open.
    pub opened: Option<CustodyKey>,
}

impl Custody {
    /// What the dealing for an order is bound to.
    pub fn dealt_for(order: OrderId, under: &Digest) -> Digest {
        Digest::of("assay/contest/custody/v1", &[&order.0.0, &under.0])
    }

    /// The name of the keys that custodians have.
    pub fn name_of(custodians: &[(AccountId, EncryptionKey)]) -> Digest {
        let all = custodians.iter();
        let all: Vec<u8> = all
            .flat_map(|(account, key)| [account.0, key.0])
            .flatten()
            .collect();
        Digest::of("assay/custody/keys/v1", &[&all])
    }

    /// The dealing, as its custodians check it.
    pub fn dealing(&self) -> Dealing {
        let sealed = self.sealed.iter();
        Dealing {
            points: self.points.to_vec(),
            sealed: sealed.map(|of| Sealed(of.to_vec())).collect(),
        }
    }
}
