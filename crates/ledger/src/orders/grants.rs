//! Handing keys over.

use super::keys;
use crate::state::State;
use crate::timers::Timer;
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

/// Keys that one block forgets of a run.
const FORGOTTEN: usize = 8;

/// Has what was handed over in a run forgotten, since nobody needs the keys of one that is over: a
/// few in each of the next blocks, for there may be many.
pub(super) fn forget(state: &mut State<'_>, order: OrderId, run: RunIndex) {
    let prefix = keys::grants(&order, run);
    if !state.scan(&prefix, &prefix, 1).is_empty() {
        let next = state.now().after(1);
        state.save(Timer::Keys(order, run).key(next.0), &());
    }
}

/// Forgets some of them.
pub(crate) fn forget_keys(state: &mut State<'_>, order: OrderId, run: RunIndex) {
    let prefix = keys::grants(&order, run);
    for (grant, _) in state.scan(&prefix, &prefix, FORGOTTEN) {
        state.remove(grant);
    }
    forget(state, order, run);
}

/// Whether keys were handed over at a place.
pub(super) fn granted(state: &State<'_>, place: &Place, from: AccountId, to: AccountId) -> bool {
    state.has(&keys::grant(place, &from, &to))
}
