//! Who lives in a town beside those whose return is measured: everybody else is honest.

use std::collections::BTreeSet;

use assay_ledger::{AccountId, Role};

use crate::agents::accomplice::Accomplice;
use crate::agents::auditor::Auditor;
use crate::agents::provider::Provider;
use crate::agents::requester::Requester;
use crate::agents::validator::Validator;
use crate::scene::Agent;
use crate::town::{Citizen, REQUESTER};

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
        honest(name, Role::Auditor, Box::new(Auditor::default()))
    }));
    all.extend((0..validators).map(|i| {
        let name = format!("validator {i}");
        honest(name, Role::Validator, Box::new(Validator))
    }));
    all
}

/// Accomplices of a provider, in so many accounts that together hold a share of all auditors' bonds, in
/// parts per million.
pub(crate) fn ring(share_ppm: u32, accounts: u32, provider: &str) -> Vec<Citizen> {
    let name = |i| format!("accomplice {i}");
    let friends: BTreeSet<AccountId> = (0..accounts)
        .map(|i| Citizen::account(&name(i)))
        .chain([Citizen::account(provider)])
        .collect();
    let honest = u128::from(USUAL) * HONEST.1 as u128;
    let share = u128::from(share_ppm.min(999_999));
    let bond = honest * share / (1_000_000 - share) / u128::from(accounts.max(1));
    let bond = u64::try_from(bond).unwrap_or(HEAVY).max(10);
    let accomplice = |i| auditor(&name(i), bond, Accomplice::new(friends.clone()));
    match share_ppm {
        0 => Vec::new(),
        _ => (0..accounts).map(accomplice).collect(),
    }
}
