//! What happens at the beginning of a block, before its first transaction.

mod deadline;
mod draw;
mod unbond;

use assay_crypto::Digest;

use crate::state::State;
use crate::{Event, Order, Refusal, keys};

/// Frees bonds, ends phases whose time is over, and draws for orders that wait.
///
/// Draws come last and only for orders that wait since an earlier block: the block's beacon was
/// not known when they began to wait.
///
/// Returns what happened, in order: the block's own events.
#[must_use = "events that reach no receipt are lost"]
pub(crate) fn begin(state: &mut State<'_>) -> Vec<Event> {
    let mut events = Vec::new();
    let now = state.now();
    for (key, _) in state.range(&keys::unbonding_at(now)) {
        let result = unbond::free(state, &key);
        keep(state, result, &mut events);
    }
    for (key, _) in state.range(&keys::deadlines_at(now)) {
        let result = with_order(state, &key, deadline::pass);
        keep(state, result, &mut events);
    }
    // A block without beacon draws nothing: its orders wait for the next one.
    if state.context.beacon != Digest::ZERO {
        for key in draw::turn(state) {
            let result = with_order(state, &key, draw::draw);
            keep(state, result, &mut events);
        }
    }
    events
}

/// Keeps one step's writes, or forgets them. A step fails only where sums would overflow, which
/// a conserved supply rules out, or where the state cannot be read, which ends the block.
fn keep(state: &mut State<'_>, result: Result<(), Refusal>, events: &mut Vec<Event>) {
    debug_assert!(result.is_ok() || state.is_lost(), "{result:?}");
    match result {
        Ok(()) => events.append(&mut state.commit()),
        Err(_) => state.roll_back(),
    }
}

fn with_order(
    state: &mut State<'_>,
    key: &[u8],
    step: impl FnOnce(&mut State<'_>, &mut Order) -> Result<bool, Refusal>,
) -> Result<(), Refusal> {
    let Some(id) = keys::order_of(key) else {
        return Ok(());
    };
    let mut order = state.order(id)?;
    if step(state, &mut order)? {
        state.save_order(&mut order);
    }
    Ok(())
}
