//! Orders: the envelope that every job comes in, and the procedures that work on it.
//!
//! An order lies in the state as several records, so that a move rewrites little: its [`Head`],
//! one record for each [`Run`] and each [`Dispute`], and one for each [`Grant`] of keys.

mod apply;
mod call;
mod dispute;
mod disputes;
pub(crate) mod draw;
mod escrow;
mod event;
mod grants;
pub(crate) mod keys;
mod life;
mod order;
mod phase;
mod place;
pub(crate) mod procedure;
mod record;
mod redundant;
mod refusal;
pub mod rules;
mod runs;
mod terms;
pub(crate) mod traced;
pub(crate) mod turn;

use std::collections::BTreeSet;

pub(crate) use apply::apply;
pub use call::{AuditResults, DeclineReason, Opening, OrderCall};
pub use dispute::{Attestation, Dispute, Question, Verdict};
pub(crate) use draw::draw_waiting;
pub use event::{OrderEvent, SlashReason};
pub(crate) use grants::forget_keys;
pub use life::{Late, Move, Mover, Row, Span};
pub use order::Order;
pub use phase::{Outcome, Phase};
pub use place::{Occasion, Place};
pub use procedure::ProcedureName;
pub use record::{Failure, FailureReason, Grant, Head, Leaf, Round, Run, SealedKeys, Seat, Trace};
pub use refusal::OrderRefusal;
pub use terms::{Deadlines, Input, JobKind, Terms};
pub use turn::Turn;

use crate::state::State;
use crate::timers::Timer;
use crate::{AccountId, OrderId, Refusal, RunIndex};

/// An order with its runs and disputes.
pub(crate) fn load(state: &State<'_>, id: OrderId) -> Result<Order, Refusal> {
    let head: Head = state
        .load(&keys::head(&id))
        .ok_or(OrderRefusal::UnknownOrder { order: id })?;
    let runs = (0..head.begun).filter_map(|run| state.load(&keys::run(&id, RunIndex(run))));
    let disputes = (0..head.disputed).filter_map(|number| state.load(&keys::dispute(&id, number)));
    Ok(Order {
        runs: runs.collect(),
        disputes: disputes.collect(),
        head,
    })
}

/// Saves what has changed of an order, and keeps the indexes in step.
pub(crate) fn save(state: &mut State<'_>, order: &mut Order) {
    let id = order.head.id;
    let key = keys::head(&id);
    if let Some(before) = state.load::<Head>(&key) {
        state.remove(Timer::Order(id).key(before.deadline));
        state.remove(keys::updated(before.updated, &id));
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
        state.save(Timer::Order(id).key(head.deadline), &());
    }
    set(state, keys::waiting(&id), phase.waits_for_draw());
    set(state, keys::judged(&id), phase.is_judged());
    for account in parties(order) {
        set(state, keys::with_part(&account, &id), !phase.is_final());
    }
    state.save(key, head);
    for run in &order.runs {
        state.save_changed(keys::run(&id, run.index), run);
    }
    for dispute in &order.disputes {
        state.save_changed(keys::dispute(&id, dispute.number), dispute);
    }
}

/// Puts an entry into an index or takes it out.
fn set(state: &mut State<'_>, key: Vec<u8>, is: bool) {
    match (is, state.has(&key)) {
        (true, false) => state.save(key, &()),
        (false, true) => state.remove(key),
        _ => {}
    }
}

/// Everybody who takes or took part in an order: requester, providers, auditors.
fn parties(order: &Order) -> BTreeSet<AccountId> {
    let providers = order.runs.iter().map(|run| run.provider);
    let seats = order.runs.iter().flat_map(|run| run.seats());
    std::iter::once(order.head.requester)
        .chain(providers)
        .chain(seats.map(|seat| seat.auditor))
        .collect()
}

/// Enters a phase, or begins it anew, with its full deadline. The caller saves the order.
///
/// Calls count in the `n` blocks after this one; the phase ends by itself at the beginning of the
/// block after those.
pub(crate) fn enter(state: &mut State<'_>, order: &mut Order, phase: Phase) {
    order.head.phase = phase;
    order.head.since = state.now();
    let span = procedure::row(order).and_then(|row| row.deadline);
    let blocks = span.map_or(0, |span| span.of(&order.head.terms.deadlines));
    order.head.deadline = state.now().after(blocks).after(1);
    state.emit(OrderEvent::PhaseEntered { phase }.of(order.head.id));
}

/// Ends an order: returns what is left to the requester, and forgets the keys that were handed
/// over. Bonds have come free before.
fn finish(state: &mut State<'_>, order: &mut Order, outcome: Outcome) -> Result<(), Refusal> {
    let requester = order.head.requester;
    escrow::pay_deposit(state, order, requester)?;
    let rest = order.head.escrow;
    escrow::pay_from_escrow(state, order, requester, rest)?;
    order.head.outcome = Some(outcome);
    order.head.phase = match outcome {
        Outcome::Paid => Phase::Settled,
        Outcome::Withdrawn => Phase::Cancelled,
        _ => Phase::Refunded,
    };
    order.head.since = state.now();
    order.head.deadline = state.now();
    for run in &order.runs {
        grants::forget(state, order.head.id, run.index);
    }
    state.emit(OrderEvent::Ended { outcome }.of(order.head.id));
    Ok(())
}

/// Ends the phase of an order whose timer has rung.
pub(crate) fn late(state: &mut State<'_>, id: OrderId) -> Result<(), Refusal> {
    let mut order = load(state, id)?;
    procedure::of(&order.head.terms).late(state, &mut order)?;
    save(state, &mut order);
    Ok(())
}
