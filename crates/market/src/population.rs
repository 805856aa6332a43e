//! Who lives in a town beside those whose return is measured: everybody else is honest.

use std::collections::BTreeSet;

use assay_ledger::{AccountId, Amount, OrderId, Phase, Role};

use crate::agents::accomplice::Accomplice;
use crate::agents::auditor::Auditor;
use crate::agents::crowding::Crowding;
use crate::agents::provider::Provider;
use crate::agents::requester::Requester;
use crate::agents::validator::Validator;
use crate::scene::Agent;
use crate::settings::Settings;
use crate::town::{Broken, Citizen, REQUESTER, Town};

/// Honest providers, auditors and validators in every town.
const HONEST: (usize, usize, usize) = (3, 12, 4);
/// What each of them has bonded, and everybody has besides, in tokens: more than it can lose.
pub(crate) const USUAL: u64 = 1_000_000;
/// A bond beside which all others together are small: its holder is asked first of all.
pub(crate) const HEAVY: u64 = 1_000_000_000;

/// A provider whose return is measured.
pub(crate) fn provider(name: &str, bond: u64, agent: impl Agent + 'static) -> Citizen {
    citizen(name, Some(Role::Provider), bond, true, Box::new(agent))
}

/// An auditor whose return is measured.
pub(crate) fn auditor(name: &str, bond: u64, agent: impl Agent + 'static) -> Citizen {
    citizen(name, Some(Role::Auditor), bond, true, Box::new(agent))
}

/// A requester whose return is measured.
pub(crate) fn requester(agent: impl Agent + 'static) -> Citizen {
    citizen(REQUESTER, None, 0, true, Box::new(agent))
}

fn citizen(
    name: &str,
    role: Option<Role>,
    bond: u64,
    ours: bool,
    agent: Box<dyn Agent>,
) -> Citizen {
    Citizen {
        name: name.to_owned(),
        role,
        bond,
        balance: USUAL,
        ours,
        takes_all: false,
        agent,
    }
}

/// Those whose return is measured, and everybody else.
pub(crate) fn with(mut ours: Vec<Citizen>) -> Vec<Citizen> {
    let honest = |name: String, role, agent| citizen(&name, Some(role), USUAL, false, agent);
    let mut all = Vec::new();
    match ours.iter().position(|of| of.name == REQUESTER) {
        Some(at) => all.push(ours.remove(at)),
        None => all.push(citizen(REQUESTER, None, 0, false, Box::new(Requester))),
    }
    all.extend(ours);
    let (providers, auditors, validators) = HONEST;
    all.extend((0..providers).map(|i| {
        let name = format!("honest provider {i}");
        let agent = Provider::honest(Citizen::file(&name));
        honest(name, Role::Provider, Box::new(agent))
    }));
    all.extend((0..auditors).map(|i| {
        let name = format!("honest auditor {i}");
        honest(name, Role::Auditor, Box::<Auditor>::default())
    }));
    all.extend((0..validators).map(|i| {
        let name = format!("validator {i}");
        honest(name, Role::Validator, Box::<Validator>::default())
    }));
    all
}

/// Who posts orders to keep auditors busy.
pub(crate) const DECOYS: &str = "decoys";

/// A provider that keeps all honest auditors busy, with accomplices and whoever posts its orders.
pub(crate) fn crowd(share_ppm: u32, accounts: u32, name: &str, seed: u64) -> Vec<Citizen> {
    let decoys = Citizen::account(DECOYS);
    let faking = Provider::lazy(Citizen::file(name), 1_000_000, seed);
    let mut all = vec![provider(name, HEAVY, Crowding::new(decoys, faking))];
    all.extend(ring(share_ppm, accounts, name).into_iter().map(|of| {
        let friends = friends(accounts, name);
        Citizen {
            agent: Box::new(Accomplice::new(friends).shunning(decoys)),
            ..of
        }
    }));
    for one in &mut all {
        one.takes_all = true;
    }
    all.push(citizen(DECOYS, None, 0, true, Box::new(Requester)));
    all
}

/// Posts as many orders as fill the seats that every honest auditor has, and lets them take them. The
/// orders stay open for so long, in milliseconds; what is bonded for them is lost at their end.
pub(crate) fn keep_busy(
    town: &mut Town,
    settings: &Settings,
    open_ms: u64,
) -> Result<Vec<OrderId>, Broken> {
    let least = settings.parameters.auditor_bond.0;
    // The least that an order may pay which locks so much.
    let pay = Amount(least.div_ceil(settings.parameters.max_bond_multiple.into()));
    let decoy = Settings {
        price: pay,
        provider_bond: settings.parameters.provider_bond,
        auditor_bond: Amount(least),
        auditor_fee: pay,
        segments: 1,
        drawn: 1,
        auditors: HONEST.1 as u8,
        attempts: 1,
        ..settings.clone()
    };
    let decoys = Citizen::account(DECOYS);
    let mut terms = decoy.terms(decoys, Town::key(DECOYS));
    terms.deadlines.open = open_ms.min(settings.parameters.max_deadline_ms);
    let at = town.place(DECOYS).unwrap_or(0);
    let orders: Result<Vec<_>, _> = (0..settings.offer.orders)
        .map(|_| town.post(at, terms.clone()))
        .collect();
    let orders = orders?;
    town.bring(&orders, Phase::Opening)?;
    Ok(orders)
}

/// Accomplices of a provider, in so many accounts that together hold a share of all auditors' bonds, in
/// parts per million.
pub(crate) fn ring(share_ppm: u32, accounts: u32, provider: &str) -> Vec<Citizen> {
    let friends = friends(accounts, provider);
    let honest = u128::from(USUAL) * HONEST.1 as u128;
    let share = u128::from(share_ppm.min(999_999));
    let bond = honest * share / (1_000_000 - share) / u128::from(accounts.max(1));
    let bond = u64::try_from(bond).unwrap_or(HEAVY).max(10);
    let accomplice = |i| auditor(&accomplice_name(i), bond, Accomplice::new(friends.clone()));
    match share_ppm {
        0 => Vec::new(),
        _ => (0..accounts).map(accomplice).collect(),
    }
}

fn accomplice_name(i: u32) -> String {
    format!("accomplice {i}")
}

/// A provider and its accomplices.
fn friends(accounts: u32, provider: &str) -> BTreeSet<AccountId> {
    let names = (0..accounts).map(accomplice_name);
    let accounts = names.map(|name| Citizen::account(&name));
    accounts.chain([Citizen::account(provider)]).collect()
}
