//! Asking accounts to take part: a ranked list is drawn, those on it answer, and the first in rank
//! that accept serve.
//!
//! Nobody is bound who has not accepted: until then nothing is locked, and no key is handed over. The
//! window closes as soon as the answers that are still missing can change nothing; who has not
//! answered when its time is over has missed, which suspends its offer. To accept and then to have no
//! bond or slot free is no miss: others had a claim to it first. The order pays the fees of the answers,
//! and nobody is asked for more orders at once than it has slots.

use std::collections::BTreeSet;

use super::draw::{self, Candidate, Pools};
use super::keys;
use super::passage::enter;
use super::reimburse;
use crate::state::State;
use crate::{
    AccountId, Answered, Asked, Invited, Order, OrderEvent, OrderRefusal, Phase, Refusal,
    Registration, Role, Terms, sweep,
};

/// Accounts that one search remembers to have declined, so that they are not asked again.
const REMEMBERED: usize = 32;

/// Draws a list for `wanted` places from the accounts that `may` take them and have not declined in
/// this search, and asks them; does nothing where there are fewer than the places.
pub(super) fn ask(
    state: &mut State<'_>,
    order: &mut Order,
    pools: &mut Pools,
    (role, wanted): (Role, usize),
    may: impl Fn(&Candidate) -> bool,
) -> Result<bool, Refusal> {
    let number = order.head.lists;
    if wanted == 0 || number == u16::MAX {
        return Ok(false);
    }
    // A list of auditors comes from enough of the network, or there is none.
    let share = match role {
        Role::Auditor => Some(pools.share(state, &order.head.terms)),
        _ => None,
    };
    if share.is_some_and(|share| share < state.chain.parameters.min_share) {
        return Ok(false);
    }
    let mut stream = draw::stream(state, order, &role.to_string());
    let declined: BTreeSet<AccountId> = order.head.declined.iter().copied().collect();
    let most = (Terms::MOST_ASKED as usize).max(wanted);
    let most = most.min(order.head.answers as usize);
    if most < wanted {
        return Ok(false);
    }
    let terms = &order.head.terms;
    let drawn = pools.draw(state, (role, terms), &mut stream, (wanted, most), |of| {
        may(of) && !declined.contains(&of.account)
    });
    if drawn.is_empty() {
        return Ok(false);
    }
    for of in &drawn {
        reimburse::hold(state, role, &of.account);
        pools.asked(role, &of.account);
    }
    let ranked: Vec<Invited> = drawn
        .into_iter()
        .map(|of| Invited {
            account: of.account,
            owner: of.owner,
            encryption_key: of.registration.encryption_key,
            accepts: None,
        })
        .collect();
    let accounts = ranked.iter().map(|of| of.account).collect();
    state.emit(OrderEvent::Asked { role, accounts }.of(order.head.id));
    order.head.lists = number.saturating_add(1);
    order.head.asked = Some(Asked {
        number,
        role,
        wanted: u8::try_from(wanted).unwrap_or(u8::MAX),
        share,
        ranked,
    });
    let phase = match role {
        Role::Auditor => Phase::Called,
        _ => Phase::Asked,
    };
    enter(state, order, phase);
    Ok(true)
}

/// Takes the answer of an account that was asked; says whether that closes the window.
pub(super) fn answer(
    state: &mut State<'_>,
    order: &mut Order,
    from: AccountId,
    accept: bool,
) -> Result<bool, Refusal> {
    let id = order.head.id;
    let done = || OrderRefusal::AlreadyDone { order: id };
    let role = order.head.asked.as_ref().ok_or_else(done)?.role;
    let registration = state.registration(role, &from);
    let asked = order.head.asked.as_mut().ok_or_else(done)?;
    let mut waits = asked.ranked.iter_mut().filter(|of| of.accepts.is_none());
    let invited = waits.find(|of| of.account == from).ok_or_else(done)?;
    invited.accepts = Some(accept);
    if let Some(registration) = registration {
        // What is sealed to it from now on is sealed to the key that it has as it accepts.
        invited.encryption_key = registration.encryption_key;
    }
    if !accept {
        if order.head.declined.len() >= REMEMBERED {
            order.head.declined.remove(0);
        }
        order.head.declined.push(from);
    }
    let answered = OrderEvent::Answered {
        account: from,
        accept,
    };
    state.emit(answered.of(id));
    reimburse::pay(state, order, from)?;
    Ok(is_decided(state, order))
}

/// Whether the answers that are missing can change nothing.
fn is_decided(state: &State<'_>, order: &Order) -> bool {
    let Some(asked) = &order.head.asked else {
        return true;
    };
    let mut taken = 0;
    for invited in &asked.ranked {
        match invited.accepts {
            None => return false,
            Some(true) if is_able(state, order, asked.role, invited) => taken += 1,
            Some(_) => {}
        }
        if taken == asked.wanted {
            return true;
        }
    }
    true
}

/// Whether somebody who accepted still has what it takes.
fn is_able(state: &State<'_>, order: &Order, role: Role, invited: &Invited) -> bool {
    let free = |of: &Registration| {
        let orders = of.offer.as_ref().map_or(0, |offer| offer.orders);
        of.free() >= order.head.terms.bond(role) && of.serving < orders
    };
    let registration = state.registration(role, &invited.account);
    registration.as_ref().is_some_and(free)
}

/// Closes the window: those that serve, first in rank first.
pub(super) fn close(state: &mut State<'_>, order: &mut Order) -> Result<Vec<Invited>, Refusal> {
    let Some(asked) = order.head.asked.take() else {
        return Ok(Vec::new());
    };
    dismiss(state, order, &asked)?;
    let accepted = asked
        .ranked
        .into_iter()
        .filter(|of| of.accepts == Some(true));
    let able = accepted.filter(|of| is_able(state, order, asked.role, of));
    Ok(able.take(usize::from(asked.wanted)).collect())
}

/// Ends a list before anybody on it has missed, or after those who did were struck off: puts it on record,
/// and frees whoever is on it.
pub(super) fn dismiss(
    state: &mut State<'_>,
    order: &mut Order,
    asked: &Asked,
) -> Result<(), Refusal> {
    keep(state, order, asked);
    reimburse::dismiss(state, order, asked)
}

/// Puts a list on record, unless it is there already with those who missed.
fn keep(state: &mut State<'_>, order: &Order, asked: &Asked) {
    let key = keys::list(&order.head.id, asked.number);
    if state.load::<Answered>(&key).is_some() {
        return;
    }
    let answers = asked.ranked.iter().map(|of| (of.account, of.accepts));
    let answered = Answered {
        number: asked.number,
        role: asked.role,
        wanted: asked.wanted,
        share: asked.share,
        // The phase began with it.
        drawn: order.head.since.height,
        closed: state.now(),
        answers: answers.collect(),
    };
    state.save(key, &answered);
}

/// Records who has not answered in time, and suspends its offer. It is on the list no more, and is paid
/// nothing for it.
pub(super) fn miss(state: &mut State<'_>, order: &mut Order) {
    let id = order.head.id;
    let Some(mut asked) = order.head.asked.take() else {
        return;
    };
    keep(state, order, &asked);
    let role = asked.role;
    let silent: Vec<Invited> = asked
        .ranked
        .extract_if(.., |of| of.accepts.is_none())
        .collect();
    order.head.asked = Some(asked);
    for Invited { account, .. } in &silent {
        reimburse::let_go(state, role, account);
        let account = *account;
        if let Some(mut registration) = state.registration(role, &account) {
            registration.missed = registration.missed.saturating_add(1);
            registration.suspended = true;
            state.save_registration(role, &account, &registration);
        }
        state.emit(OrderEvent::Missed { account }.of(id));
    }
    if !silent.is_empty() {
        // Without them the share of those who take some order that lies aside may be large enough.
        sweep::rouse(state);
    }
}

/// Who gets the fee for having been kept waiting if the requester withdraws now: the first in rank
/// that accepted.
pub(super) fn first_acceptor(order: &Order) -> Option<AccountId> {
    let mut ranked = order.head.asked.iter().flat_map(|asked| &asked.ranked);
    ranked
        .find(|of| of.accepts == Some(true))
        .map(|of| of.account)
}
