//! Handing keys over.

use super::{keys, procedure};
use crate::state::State;
use crate::{
    AccountId, Grant, Order, OrderEvent, OrderId, OrderRefusal, Place, Refusal, RunIndex,
    SealedKeys,
};

/// Hands keys to a party, once at each place.
pub(super) fn grant(
    state: &mut State<'_>,
    order: &Order,
    from: AccountId,
    (place, to): (Place, AccountId),
    sealed: &SealedKeys,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let procedure = procedure::of(&order.head.terms);
    if !procedure.may_be_granted(order, &state.chain.validators, to) {
        return Err(OrderRefusal::NotAGrantee {
            order: id,
            grantee: to,
        }
        .into());
    }
    let key = keys::grant(&place, &from, &to);
    if state.has(&key) {
        return Err(OrderRefusal::AlreadyDone { order: id }.into());
    }
    let grant = Grant {
        place,
        from,
        to,
        sealed: sealed.clone(),
        at: state.now(),
    };
    state.save(key, &grant);
    state.emit(OrderEvent::Granted { from, to }.of(id));
    Ok(())
}

/// Forgets what was handed over in a run: nobody needs the keys of one that is over.
pub(super) fn forget(state: &mut State<'_>, order: &OrderId, run: RunIndex) {
    for (grant, _) in state.range(&keys::grants(order, run)) {
        state.remove(grant);
    }
}

/// Whether keys were handed over at a place.
pub(super) fn granted(state: &State<'_>, place: &Place, from: AccountId, to: AccountId) -> bool {
    state.has(&keys::grant(place, &from, &to))
}
