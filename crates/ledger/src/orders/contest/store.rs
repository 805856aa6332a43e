//! Claims in the state.

use super::record::Claim;
use crate::orders::keys;
use crate::state::State;
use crate::{AccountId, Order, OrderId};

/// An account's claim in a contest, if it ever made one that was not taken back.
pub(in crate::orders) fn of(
    state: &State<'_>,
    order: &OrderId,
    account: &AccountId,
) -> Option<Claim> {
    state.load(&keys::claim(order, account))
}

/// The claim with a number.
pub(super) fn numbered(state: &State<'_>, order: &Order, number: u16) -> Option<Claim> {
    let entry = order.contest.as_ref()?.entry(number)?;
    of(state, &order.head.id, &entry.account)
}

/// Saves what has changed of a claim.
pub(super) fn save(state: &mut State<'_>, order: &OrderId, claim: &Claim) {
    state.save_changed(keys::claim(order, &claim.account), claim);
}

/// Forgets a claim that was taken back.
pub(super) fn forget(state: &mut State<'_>, order: &OrderId, account: &AccountId) {
    state.remove(keys::claim(order, account));
}
