//! Who lives in a town, and the genesis that it begins with.

use assay_crypto::{Digest, EncryptionKey, SecretKey};
use assay_ledger::{
    AccountId, Amount, BoundedBytes, BoundedString, BoundedVec, FileId, Genesis, GenesisAccount,
    GenesisRegistration, MAX_DEADLINE_MS, Offer, Parameters, Role, ValidatorInfo,
};

use crate::scene::Agent;
use crate::settings::{KINDS, Settings};

/// Somebody who is to live in a town.
pub(crate) struct Citizen {
    pub(crate) name: String,
    pub(crate) role: Option<Role>,
    /// In tokens.
    pub(crate) bond: u64,
    /// What it has besides, in tokens.
    pub(crate) balance: u64,
    /// Whether it is of those whose return is measured.
    pub(crate) ours: bool,
    /// Whether it takes orders of any terms, and any number at once.
    pub(crate) takes_all: bool,
    pub(crate) agent: Box<dyn Agent>,
}

impl Citizen {
    /// The account of whoever has this name, in every town.
    pub(crate) fn account(name: &str) -> AccountId {
        secret(name).public()
    }

    /// The file of this name; a provider names one of its own name as each of its checkpoints.
    pub(crate) fn file(name: &str) -> FileId {
        FileId(Digest::of("assay/market/file/v1", &[name.as_bytes()]))
    }
}

pub(super) fn secret(name: &str) -> SecretKey {
    SecretKey::from_seed(Digest::of("assay/market/secret/v1", &[name.as_bytes()]).0)
}

/// Somebody who lives in one.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) account: AccountId,
    pub(super) key: EncryptionKey,
    pub(super) role: Option<Role>,
    pub(super) ours: bool,
    pub(super) steps: u64,
    pub(super) agent: Box<dyn Agent>,
}

impl Member {
    pub(super) fn new(citizen: Citizen) -> Self {
        let secret = secret(&citizen.name);
        Self {
            account: secret.public(),
            key: secret.encryption().public(),
            name: citizen.name,
            role: citizen.role,
            ours: citizen.ours,
            steps: 0,
            agent: citizen.agent,
        }
    }
}

/// The inputs of every order.
pub(crate) const INPUTS: [&str; 2] = ["model", "train"];
/// Who posts all orders.
pub(crate) const REQUESTER: &str = "requester";
/// The one storage node.
pub(super) const STORAGE: &str = "storage";

pub(super) fn genesis(settings: &Settings, citizens: &[Citizen]) -> Genesis {
    let address = BoundedString::<256>::new("localhost:7000").unwrap_or_default();
    let named = |name: &str, role: Role, bond: Amount, takes_all: bool| GenesisRegistration {
        account: Citizen::account(name),
        role,
        bond,
        encryption_key: secret(name).encryption().public(),
        address: address.clone(),
        offer: role.is_drawn().then(|| match takes_all {
            true => Offer::anything().of_kinds(&KINDS),
            false => settings.offer.clone(),
        }),
    };
    let balance = |of: &Citizen| GenesisAccount {
        account: Citizen::account(&of.name),
        balance: Amount::tokens(of.balance),
    };
    let registered = citizens.iter().filter_map(|of| {
        Some(named(
            &of.name,
            of.role?,
            Amount::tokens(of.bond),
            of.takes_all,
        ))
    });
    let storage = named(STORAGE, Role::Storage, Amount::tokens(1), false);
    let registrations: Vec<_> = registered.chain([storage]).collect();
    let accounts: Vec<_> = citizens.iter().map(balance).collect();
    let validators = citizens.iter();
    let validators = validators.filter(|of| of.role == Some(Role::Validator));
    let mut validators: Vec<_> = validators
        .map(|of| ValidatorInfo {
            account: Citizen::account(&of.name),
            address: address.clone(),
        })
        .collect();
    validators.sort_by_key(|of| of.account);
    Genesis {
        chain_name: BoundedString::new("market").unwrap_or_default(),
        timestamp_ms: 0,
        accounts: BoundedVec::new(accounts).unwrap_or_default(),
        registrations: BoundedVec::new(registrations).unwrap_or_default(),
        // Storage is not modelled: what is recorded once lasts for all orders.
        parameters: Parameters {
            max_kept_ms: MAX_DEADLINE_MS,
            ..settings.parameters.clone()
        },
        owners: BoundedVec::default(),
        beacon_key: BoundedBytes::default(),
        validators: BoundedVec::new(validators).unwrap_or_default(),
    }
}
