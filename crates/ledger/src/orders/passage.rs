//! From one phase to the next, and to the end.

use super::lives::row;
use super::{escrow, grants};
use crate::state::State;
use crate::{Order, OrderEvent, Outcome, Phase, Refusal};

/// Enters a phase, or begins it anew, with its full deadline. The caller saves the order.
///
/// Calls count in the `n` blocks after this one; the phase ends by itself at the beginning of the
/// block after those.
pub(crate) fn enter(state: &mut State<'_>, order: &mut Order, phase: Phase) {
    order.head.phase = phase;
    order.head.since = state.now();
    let span = row(order).and_then(|row| row.deadline);
    let blocks = span.map_or(0, |span| span.of(&order.head.terms.deadlines));
    order.head.deadline = state.now().after(blocks).after(1);
    state.emit(OrderEvent::PhaseEntered { phase }.of(order.head.id));
}

/// Ends an order: returns what is left to the requester, and forgets the keys that were handed
/// over. Bonds have come free before.
pub(super) fn finish(
    state: &mut State<'_>,
    order: &mut Order,
    outcome: Outcome,
) -> Result<(), Refusal> {
    let requester = order.head.requester;
    escrow::pay_deposit(state, order, requester)?;
    let rest = order.head.escrow;
    escrow::pay_from_escrow(state, order, requester, rest)?;
    order.head.outcome = Some(outcome);
    order.head.phase = match outcome {
        Outcome::Paid | Outcome::Failed => Phase::Settled,
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
