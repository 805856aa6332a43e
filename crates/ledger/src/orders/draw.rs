//! Drawing accounts from the beacon, for orders that wait.

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_crypto::stream::Stream;

use super::demand::{self, Able, Demand, HalfClass};
use crate::state::State;
use crate::{AccountId, Order, Ppm, Registration, Role, Terms, Unmet, eligible_share};

/// Somebody who can be drawn.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) account: AccountId,
    /// Who answers for it: the account itself, unless it has an owner.
    pub(crate) owner: AccountId,
    /// What it registered.
    pub(crate) registration: Registration,
    /// What it takes now, if anything.
    able: Option<Able>,
}

impl Candidate {
    /// Whether an account, or its owner, is this one or owns it.
    pub(crate) fn belongs_to(&self, other: AccountId) -> bool {
        self.account == other || self.owner == other
    }
}

/// Everybody registered, read once for all draws of a block.
#[derive(Default)]
pub(crate) struct Pools {
    roles: BTreeMap<Role, Vec<Candidate>>,
    met: BTreeMap<HalfClass, bool>,
}

impl Pools {
    /// Draws up to `count` distinct accounts whose offers the terms meet, with bond and slot free,
    /// among those who `may`, each time with probability proportional to the free bonds of those
    /// left, no two of one owner; none where fewer than `least` can be drawn.
    pub(crate) fn draw(
        &mut self,
        state: &State<'_>,
        (role, terms): (Role, &Terms),
        stream: &mut Stream,
        (least, count): (usize, usize),
        may: impl Fn(&Candidate) -> bool,
    ) -> Vec<Candidate> {
        let takes = takes(role, terms);
        let known = self.known(state, role).iter();
        let mut left: Vec<&Candidate> = known.filter(|of| takes(of) && may(of)).collect();
        let mut drawn = Vec::with_capacity(count.min(left.len()));
        while drawn.len() < count && !left.is_empty() {
            let winner = left.remove(winner(stream, &left));
            left.retain(|of| of.owner != winner.owner);
            drawn.push(winner.clone());
        }
        if drawn.len() < least {
            return Vec::new();
        }
        drawn
    }

    /// Notes that somebody is asked once more, for the draws that follow in this block.
    pub(crate) fn asked(&mut self, role: Role, account: &AccountId) {
        let known = self.roles.get_mut(&role).into_iter().flatten();
        for of in known.filter(|of| of.account == *account) {
            of.registration.asked = of.registration.asked.saturating_add(1);
            of.able = Able::of(&of.registration);
        }
    }

    /// Whether those who take it among those who `may` hold at least `share` of the bonds of all who would
    /// if nobody were busy with other orders.
    pub(crate) fn free(
        &mut self,
        state: &State<'_>,
        (role, terms): (Role, &Terms),
        share: Ppm,
        may: impl Fn(&Candidate) -> bool,
    ) -> bool {
        let known = self.known(state, role).iter();
        let (mut free, mut all) = (0u128, 0u128);
        for of in known.filter(|of| may(of)) {
            let bond = of.registration.bond;
            let unmet = of.registration.refuses(role, terms);
            let busy = |unmet: &Unmet| matches!(unmet, Unmet::Busy { .. } | Unmet::Free { .. });
            if bond < terms.bond(role) || !unmet.iter().all(busy) {
                continue;
            }
            // Bonds are part of the supply, which fits 64 bits.
            all += u128::from(bond.0);
            if unmet.is_empty() {
                free += u128::from(bond.0);
            }
        }
        free * u128::from(Ppm::ONE.0) >= all * u128::from(share.0)
    }

    /// Owners of those who take it among those who `may`: so many can be drawn together. All of them, or
    /// `enough`.
    pub(crate) fn owners(
        &mut self,
        state: &State<'_>,
        (role, terms): (Role, &Terms),
        enough: usize,
        may: impl Fn(&Candidate) -> bool,
    ) -> BTreeSet<AccountId> {
        let takes = takes(role, terms);
        let known = self.known(state, role).iter();
        let mut owners = BTreeSet::new();
        for of in known.filter(|of| takes(of) && may(of)) {
            owners.insert(of.owner);
            if owners.len() >= enough {
                break;
            }
        }
        owners
    }

    /// The share of auditors' bonds that takes these terms.
    pub(crate) fn share(&mut self, state: &State<'_>, terms: &Terms) -> Ppm {
        let parameters = &state.chain.parameters;
        let auditors = self.known(state, Role::Auditor).iter();
        eligible_share(terms, parameters, auditors.map(|of| &of.registration))
    }

    /// Whether anybody takes the best that an order of a class can ask for.
    pub(crate) fn meet(&mut self, state: &State<'_>, class: &HalfClass) -> bool {
        let Some(best) = demand::best(class) else {
            return true;
        };
        if let Some(met) = self.met.get(class) {
            return *met;
        }
        let mut able = self
            .known(state, best.role())
            .iter()
            .filter_map(|of| of.able);
        let met = able.any(|able| best.is_met_by(&able));
        self.met.insert(*class, met);
        met
    }

    /// How many offers a look compares with at most.
    pub(crate) fn count(&mut self, state: &State<'_>) -> usize {
        let roles = [Role::Provider, Role::Auditor];
        let count = roles.map(|role| self.known(state, role).len());
        count.into_iter().sum()
    }

    fn known(&mut self, state: &State<'_>, role: Role) -> &[Candidate] {
        let roles = self.roles.entry(role);
        roles.or_insert_with(|| state.candidates(role))
    }
}

impl State<'_> {
    /// Everybody registered in a role.
    pub(crate) fn candidates(&self, role: Role) -> Vec<Candidate> {
        let registered = self.registrations(role).into_iter();
        let candidate = |(account, of): (AccountId, Registration)| Candidate {
            owner: self.owner(&account),
            able: Able::of(&of),
            account,
            registration: of,
        };
        registered.map(candidate).collect()
    }
}

/// Whether somebody takes an order with these terms in a role. Validators have no choice, and nothing at
/// stake.
fn takes(role: Role, terms: &Terms) -> impl Fn(&Candidate) -> bool + use<> {
    let demand = role.is_drawn().then(|| Demand::of(role, terms));
    move |of| match &demand {
        None => true,
        Some(demand) => of.able.is_some_and(|able| demand.is_met_by(&able)),
    }
}

/// The place of one drawn from those `left`.
fn winner(stream: &mut Stream, left: &[&Candidate]) -> usize {
    // Bonds are part of the supply, which fits 64 bits.
    let total = left
        .iter()
        .fold(0u64, |sum, of| sum.saturating_add(of.registration.free().0));
    let mut ticket = stream.below(total);
    let winner = left.iter().position(|of| {
        let free = of.registration.free().0;
        let won = ticket < free;
        ticket = ticket.saturating_sub(free);
        won
    });
    winner.unwrap_or(0)
}

/// The block's randomness for one purpose of one order, in its present run and audit round.
pub(crate) fn stream(state: &State<'_>, order: &Order, purpose: &str) -> Stream {
    let run = order.attempt();
    let round = order.run_at(run).map_or(0, |run| run.rounds.len() as u64);
    let parts: [&[u8]; 3] = [
        &state.context.beacon.0,
        &order.head.id.0.0,
        &run.0.to_le_bytes(),
    ];
    Stream::new(Digest::of("assay/draw/v2", &parts), purpose, round)
}
