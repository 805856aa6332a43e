//! Taking part in an order by an account's own decision: a part of its provider's bond is bound.

use crate::accounts::money;
use crate::state::State;
use crate::{AccountId, AccountRefusal, Order, OrderRefusal, Refusal, Registration, Role};

/// Refuses whoever cannot take part in an order as one of its providers: the requester, who is not a
/// registered provider or leaves, has too little of its bond free, or serves as many orders as it offers.
pub(super) fn check(
    state: &State<'_>,
    order: &Order,
    account: AccountId,
) -> Result<Registration, Refusal> {
    let (id, bond) = (order.head.id, order.head.terms.provider_bond);
    if account == order.head.requester {
        // Its own node would not work for it.
        let belongs = "anybody but the requester".to_owned();
        return Err(OrderRefusal::NotYourMove { order: id, belongs }.into());
    }
    let role = Role::Provider;
    let registration = state.registration(role, &account);
    let registration = registration.ok_or(AccountRefusal::NotRegistered { account, role })?;
    if registration.leaving || registration.free() < bond {
        let free = registration.free();
        return Err(OrderRefusal::TooLittleBond {
            order: id,
            bond,
            free,
        }
        .into());
    }
    let slots = registration.offer.as_ref().map_or(0, |of| of.orders);
    if registration.serving >= slots {
        let orders = slots.into();
        return Err(OrderRefusal::NoSlot { order: id, orders }.into());
    }
    Ok(registration)
}

/// Locks what an order takes of a bond.
pub(super) fn lock(
    state: &mut State<'_>,
    order: &Order,
    account: &AccountId,
) -> Result<(), Refusal> {
    money::lock(
        state,
        Role::Provider,
        account,
        order.head.terms.provider_bond,
    )
}
