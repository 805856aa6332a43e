//! An order in the state: its records, and the indexes that lead to it.

use std::collections::BTreeSet;

use super::{keys, waiting};
use crate::state::State;
use crate::timers::Timer;
use crate::{AccountId, Head, Order, OrderId, OrderRefusal, Phase, Refusal, RunIndex};

/// An order with its runs and disputes.
pub(crate) fn load(state: &State<'_>, id: OrderId) -> Result<Order, Refusal> {
    let head: Head = state
        .load(&keys::head(&id))
        .ok_or(OrderRefusal::UnknownOrder { order: id })?;
    let runs = (0..head.begun).filter_map(|run| state.load(&keys::run(&id, RunIndex(run))));
    let disputes = (0..head.disputed).filter_map(|number| state.load(&keys::dispute(&id, number)));
    let contest = head.terms.contest.as_ref();
    let contest = contest.and_then(|_| state.load(&keys::contest(&id)));
    Ok(Order {
        contest,
        runs: runs.collect(),
        disputes: disputes.collect(),
        head,
    })
}

/// Saves what has changed of an order, and keeps the indexes in step.
pub(crate) fn save(state: &mut State<'_>, order: &mut Order) {
    let id = order.head.id;
    let key = keys::head(&id);
    let before = state.load::<Head>(&key);
    if let Some(before) = &before {
        state.remove(timer(before));
        set(state, blocks_timer(before), false);
        state.remove(keys::updated(before.updated, &id));
        if before.asked != order.head.asked {
            let asked = before.asked.iter().flat_map(|asked| &asked.ranked);
            let parties = parties(order);
            for invited in asked.filter(|of| !parties.contains(&of.account)) {
                set(state, keys::with_part(&invited.account, &id), false);
            }
        }
        if before.phase != order.head.phase {
            state.remove(keys::in_phase(before.phase, before.posted, &id));
        }
    } else {
        let (requester, posted) = (order.head.requester, order.head.posted);
        state.save(keys::posted_by(&requester, posted, &id), &());
    }
    order.head.updated = state.now();
    order.head.begun = u32::try_from(order.runs.len()).unwrap_or(u32::MAX);
    order.head.disputed = u16::try_from(order.disputes.len()).unwrap_or(u16::MAX);
    let (phase, head) = (order.head.phase, &order.head);
    state.save(keys::updated(head.updated, &id), &());
    state.save_changed(keys::in_phase(phase, head.posted, &id), &());
    if !phase.is_final() {
        state.save(timer(head), &());
    }
    count(state, before.as_ref(), &order.head);
    waiting::keep(state, before.as_ref(), order);
    set(state, keys::judged(&id), phase.is_judged());
    for account in parties(order) {
        set(state, keys::with_part(&account, &id), !phase.is_final());
    }
    state.save(key, head);
    for run in &order.runs {
        state.save_changed(keys::run(&id, run.index), run);
    }
    if let Some(contest) = &order.contest {
        state.save_changed(keys::contest(&id), contest);
    }
    for dispute in &order.disputes {
        state.save_changed(keys::dispute(&id, dispute.number), dispute);
    }
}

/// Counts the open orders of who posts them.
fn count(state: &mut State<'_>, before: Option<&Head>, now: &Head) {
    // Nobody posted an audit of a round.
    if now.audit_of.is_some() {
        return;
    }
    let was = before.is_some_and(|before| !before.phase.is_final());
    let is = !now.phase.is_final();
    if was == is {
        return;
    }
    let key = keys::open_orders(&now.requester);
    let open = open_orders(state, &now.requester);
    match if is {
        open.saturating_add(1)
    } else {
        open.saturating_sub(1)
    } {
        0 => state.remove(key),
        open => state.save(key, &open),
    }
}

/// The orders of an account that are not over.
pub(super) fn open_orders(state: &State<'_>, requester: &AccountId) -> u32 {
    state.load(&keys::open_orders(requester)).unwrap_or(0)
}

/// The key of the timer for a phase, due at the first ledger time at which it may be over. Orders on
/// which nobody works have a kind of their own: however many are posted, they hold up no others.
fn timer(head: &Head) -> Vec<u8> {
    let idle = head.phase == Phase::Posted && head.begun == 0;
    let timer = match idle {
        true => Timer::Posted(head.id),
        false => Timer::Order(head.id),
    };
    timer.key(head.deadline.time.after(1).0)
}

/// The key of the timer for a phase that has had its time but not its blocks.
pub(super) fn blocks_timer(head: &Head) -> Vec<u8> {
    Timer::Blocks(head.id).key(head.deadline.height.after(1).0)
}

/// Puts an entry into an index or takes it out.
fn set(state: &mut State<'_>, key: Vec<u8>, is: bool) {
    match (is, state.has(&key)) {
        (true, false) => state.save(key, &()),
        (false, true) => state.remove(key),
        _ => {}
    }
}

/// Everybody who takes or took part in an order: requester, providers, auditors, and who is asked to
/// now.
fn parties(order: &Order) -> BTreeSet<AccountId> {
    let providers = order.runs.iter().map(|run| run.provider);
    let seats = order.runs.iter().flat_map(|run| run.seats());
    let asked = order.head.asked.iter().flat_map(|asked| &asked.ranked);
    std::iter::once(order.head.requester)
        .chain(asked.map(|invited| invited.account))
        .chain(providers)
        .chain(seats.map(|seat| seat.auditor))
        .collect()
}
