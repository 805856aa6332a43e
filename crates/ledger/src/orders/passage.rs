//! From one phase to the next, and to the end.

use super::lives::row;
use super::{asking, escrow, grants};
use crate::state::State;
use crate::{Order, OrderEvent, Outcome, Phase, Refusal};

/// Enters a phase, or begins it anew, with its full deadline. The caller saves the order.
///
/// Calls count in every block whose ledger time is at most the phase's length after this one, and in
/// the least number of blocks after it; the phase ends by itself at the beginning of the first block
/// beyond both.
pub(crate) fn enter(state: &mut State<'_>, order: &mut Order, phase: Phase) {
    order.head.phase = phase;
    let now = state.moment();
    order.head.since = now;
    let span = row(order).and_then(|row| row.deadline);
    let length = span.map_or(0, |span| {
        span.of(&order.head.terms.deadlines, &state.chain.parameters)
    });
    order.head.deadline = now.deadline(length, state.chain.parameters.min_blocks);
    if matches!(phase, Phase::Posted | Phase::Committed) {
        order.head.until = order.head.deadline;
    }
    if !matches!(phase, Phase::Asked | Phase::Called) {
        order.head.declined.clear();
    }
    state.emit(OrderEvent::PhaseEntered { phase }.of(order.head.id));
}

/// Enters the phase in which lists are drawn again, with what is left of the time of its search.
pub(super) fn resume(state: &mut State<'_>, order: &mut Order, phase: Phase) {
    order.head.phase = phase;
    order.head.since = state.moment();
    order.head.deadline = order.head.until;
    state.emit(OrderEvent::PhaseEntered { phase }.of(order.head.id));
}

/// Ends an order: returns what is left to the requester, and forgets the keys that were handed
/// over. Bonds have come free before.
pub(super) fn finish(
    state: &mut State<'_>,
    order: &mut Order,
    outcome: Outcome,
) -> Result<(), Refusal> {
    if let Some(asked) = order.head.asked.take() {
        asking::dismiss(state, order, &asked)?;
    }
    order.head.answers = 0;
    let requester = order.head.requester;
    escrow::pay_deposit(state, order, requester, &[])?;
    let rest = order.head.escrow;
    escrow::pay_from_escrow(state, order, requester, rest)?;
    order.head.outcome = Some(outcome);
    order.head.declined.clear();
    order.head.phase = outcome.phase();
    order.head.since = state.moment();
    order.head.deadline = state.moment();
    for run in &order.runs {
        grants::forget(state, order.head.id, run.index);
    }
    state.emit(OrderEvent::Ended { outcome }.of(order.head.id));
    Ok(())
}
