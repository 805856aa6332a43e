//! Drawing accounts from the beacon, for orders that wait.

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_crypto::stream::Stream;

use super::keys;
use crate::state::State;
use crate::{AccountId, Order, OrderId, Registration, Role, Terms};

/// The orders for which this block draws: at most
/// [`Parameters::max_draws`](crate::Parameters::max_draws), from a place in their order that the beacon
/// picks. A draw looks at every registration, so orders that nobody is eligible for, posted by the
/// thousand, would otherwise hold up every block.
pub(super) fn turn(state: &State<'_>) -> Vec<OrderId> {
    let all = keys::all_waiting();
    let most = state.chain.parameters.max_draws as usize;
    let mut waiting = state.scan(&all, &all, most.saturating_add(1));
    if waiting.len() > most {
        let mut stream = Stream::new(state.context.beacon, "assay/draw turn/v2", 0);
        let mut first = [0; 32];
        for byte in &mut first {
            *byte = u8::try_from(stream.below(256)).unwrap_or(0);
        }
        let from = keys::waiting(&OrderId(Digest(first)));
        let mut turn = state.scan(&all, &from, most);
        let rest = most.saturating_sub(turn.len());
        turn.extend(waiting.into_iter().take(rest));
        waiting = turn;
    }
    let orders = waiting.iter().filter_map(|(key, _)| keys::order_of(key));
    orders.collect()
}

/// Somebody who can be drawn.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) account: AccountId,
    /// Who answers for it: the account itself, unless it has an owner.
    pub(crate) owner: AccountId,
    /// What it registered.
    pub(crate) registration: Registration,
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
        let known = self.known(state, role);
        let eligible = known.iter().filter(|of| may(of) && takes(of));
        let mut left: Vec<Candidate> = eligible.cloned().collect();
        let mut drawn = Vec::with_capacity(count.min(left.len()));
        while drawn.len() < count && !left.is_empty() {
            let winner = left.remove(winner(stream, &left));
            left.retain(|of| of.owner != winner.owner);
            drawn.push(winner);
        }
        if drawn.len() < least {
            return Vec::new();
        }
        drawn
    }

    /// The owners of all who take it among those who `may`: so many can be drawn together.
    pub(crate) fn owners(
        &mut self,
        state: &State<'_>,
        (role, terms): (Role, &Terms),
        may: impl Fn(&Candidate) -> bool,
    ) -> BTreeSet<AccountId> {
        let takes = takes(role, terms);
        let known = self.known(state, role).iter();
        let eligible = known.filter(|of| may(of) && takes(of));
        eligible.map(|of| of.owner).collect()
    }

    fn known(&mut self, state: &State<'_>, role: Role) -> &mut Vec<Candidate> {
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
            account,
            registration: of,
        };
        registered.map(candidate).collect()
    }
}

/// Whether somebody takes an order with these terms in a role. Validators have no choice, and nothing at
/// stake.
fn takes(role: Role, terms: &Terms) -> impl Fn(&Candidate) -> bool {
    move |of| !role.is_drawn() || of.registration.refuses(role, terms).is_empty()
}

/// The place of one drawn from those `left`.
fn winner(stream: &mut Stream, left: &[Candidate]) -> usize {
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
