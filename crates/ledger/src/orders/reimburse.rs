//! What being asked costs nobody: an order pays the fees of the answers to its lists, and whoever is asked
//! has a slot for what it is asked for.

use super::escrow;
use crate::state::State;
use crate::{AccountId, Amount, Asked, Order, OrderEvent, Refusal, Registration, Role, sweep};

/// Notes that an account is on one more open list, which takes a slot while it is.
pub(super) fn hold(state: &mut State<'_>, role: Role, account: &AccountId) {
    if let Some(mut registration) = state.registration(role, account) {
        registration.asked = registration.asked.saturating_add(1);
        state.save_registration(role, account, &registration);
    }
}

/// Frees the slot again.
pub(super) fn let_go(state: &mut State<'_>, role: Role, account: &AccountId) {
    let Some(mut registration) = state.registration(role, account) else {
        return;
    };
    let was_full = !has_slot(&registration);
    registration.asked = registration.asked.saturating_sub(1);
    let rouses = was_full && has_slot(&registration);
    state.save_registration(role, account, &registration);
    if rouses {
        sweep::rouse(state);
    }
}

fn has_slot(of: &Registration) -> bool {
    of.offer
        .as_ref()
        .is_some_and(|offer| of.taken() < offer.orders)
}

/// Pays an account the least fee of an answer, as far as the order was posted with money for it.
pub(super) fn pay(
    state: &mut State<'_>,
    order: &mut Order,
    account: AccountId,
) -> Result<(), Refusal> {
    let Some(left) = order.head.answers.checked_sub(1) else {
        return Ok(());
    };
    order.head.answers = left;
    let amount = state.chain.parameters.answer_fee();
    if amount == Amount::ZERO {
        return Ok(());
    }
    escrow::reimburse(state, order, account, amount)?;
    state.emit(OrderEvent::Reimbursed { account, amount }.of(order.head.id));
    Ok(())
}

/// Ends a list. Whoever has not answered it is paid all the same: its answer may be on its way, and will
/// cost its fee for nothing. Those who missed stand on it no more.
pub(super) fn dismiss(
    state: &mut State<'_>,
    order: &mut Order,
    asked: &Asked,
) -> Result<(), Refusal> {
    for invited in &asked.ranked {
        let_go(state, asked.role, &invited.account);
        if invited.accepts.is_none() {
            pay(state, order, invited.account)?;
        }
    }
    Ok(())
}
