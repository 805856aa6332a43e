//! Who is there when a simulated network begins.

use std::time::{Duration, UNIX_EPOCH};

use assay_chain::validator::Member;
use assay_chain::{Dealt, Pace};
use assay_crypto::{PublicKey, SecretKey};
use assay_ledger::{
    Amount, BoundedBytes, BoundedString, BoundedVec, Genesis, GenesisAccount, GenesisRegistration,
    Offer, Parameters, Role, ValidatorInfo,
};
use commonware_runtime::deterministic::{Config, Runner};

/// When the genesis was made, by the clock of all validators.
pub(crate) const GENESIS_MS: u64 = 1_700_000_000_000;

/// What one step of every task that has something to do takes.
const STEP: Duration = Duration::from_micros(100);

/// A runtime in which everything follows from a seed, just after the genesis.
pub(crate) fn runner(seed: u64) -> Runner {
    let config = Config::new()
        .with_seed(seed)
        .with_cycle(STEP)
        .with_start_time(UNIX_EPOCH + Duration::from_millis(GENESIS_MS));
    Runner::new(config)
}

/// Keys that follow from a number.
pub(crate) fn key(number: u32) -> SecretKey {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    SecretKey::from_seed(seed)
}

/// The keys of `count` validators, in the engine's order.
pub(crate) fn validator_keys(count: usize) -> Vec<SecretKey> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let mut secrets: Vec<_> = (0..count).map(key).collect();
    secrets.sort_by_key(|secret| secret.public().0);
    secrets
}

/// What a genesis says beside its validators.
#[derive(Default)]
pub(crate) struct Endowment {
    pub(crate) accounts: Vec<GenesisAccount>,
    /// Validators of the genesis among them.
    pub(crate) registrations: Vec<GenesisRegistration>,
    /// Without it no beacon can be checked.
    pub(crate) beacon_key: Vec<u8>,
    /// Whether there are jobs in rounds.
    pub(crate) in_rounds: bool,
}

/// A genesis of these validators, in the engine's order.
pub(crate) fn genesis(validators: &[SecretKey], endowment: Endowment) -> Option<Genesis> {
    let address = address()?;
    let validators = validators.iter().map(|secret| ValidatorInfo {
        account: secret.public(),
        address: address.clone(),
    });
    Some(Genesis {
        chain_name: BoundedString::new("simulated".to_owned()).ok()?,
        timestamp_ms: GENESIS_MS,
        accounts: BoundedVec::new(endowment.accounts).ok()?,
        registrations: BoundedVec::new(endowment.registrations).ok()?,
        parameters: Parameters {
            standard_offer: match endowment.in_rounds {
                true => standard().of_kinds(&KINDS_IN_ROUNDS),
                false => standard(),
            },
            ..Parameters::devnet()
        },
        owners: BoundedVec::default(),
        beacon_key: BoundedBytes::new(endowment.beacon_key).ok()?,
        validators: BoundedVec::new(validators.collect::<Vec<_>>()).ok()?,
    })
}

/// Where everybody is said to be.
fn address<const MOST: usize>() -> Option<BoundedString<MOST>> {
    BoundedString::new("simulated:1".to_owned()).ok()
}

/// The kinds of jobs that are simulated. Offers name them: whatever is in the genesis moves the name of the
/// chain, and with it every draw.
const KINDS: [&str; 2] = ["finetune", "evaluate"];

/// The same where there are jobs in rounds.
pub(crate) const KINDS_IN_ROUNDS: [&str; 3] = ["finetune", "evaluate", "federated"];

/// An offer that every order meets.
pub(crate) fn anything() -> Offer {
    Offer::anything().of_kinds(&KINDS)
}

/// The offer of whoever configures nothing.
pub(crate) fn standard() -> Offer {
    Offer::standard().of_kinds(&KINDS)
}

/// Somebody's place in a role from the beginning on.
pub(crate) fn registration(secret: &SecretKey, role: Role, bond: u64) -> GenesisRegistration {
    offering(secret, role, bond, &anything())
}

/// The same with what it offers, where it can be drawn.
pub(crate) fn offering(
    secret: &SecretKey,
    role: Role,
    bond: u64,
    offer: &Offer,
) -> GenesisRegistration {
    GenesisRegistration {
        account: secret.public(),
        role,
        bond: Amount::tokens(bond),
        encryption_key: secret.encryption().public(),
        address: address().unwrap_or_default(),
        offer: role.is_drawn().then(|| offer.clone()),
    }
}

/// Who keeps a network busy, and what it has.
pub(crate) fn client() -> GenesisAccount {
    GenesisAccount {
        account: key(u32::MAX).public(),
        balance: Amount::tokens(1_000_000),
    }
}

/// The validators of a genesis, which were dealt these shares.
pub(crate) fn members(
    genesis: &Genesis,
    secrets: Vec<SecretKey>,
    dealt: &Dealt,
    pace: Pace,
) -> Option<Vec<Member>> {
    let members = secrets.into_iter().map(|secret| {
        let of = |(owner, _): &&(PublicKey, _)| *owner == secret.public();
        let (_, share) = dealt.shares.iter().find(of)?;
        Member::new(genesis.clone(), secret, share.clone(), pace).ok()
    });
    members.collect()
}
