//! What happens at the beginning of a block, before its first transaction.

use assay_crypto::Digest;

use crate::state::State;
use crate::timers::{self, Clock, Timer};
use crate::{Amount, Event, Refusal, accounts, files, orders};

/// Ends what is due, oldest first, and draws for orders that wait.
///
/// Draws come last and only for orders that wait since an earlier block: the block's beacon was
/// not known when they began to wait.
///
/// Returns what happened, in order: the block's own events.
#[must_use = "events that reach no receipt are lost"]
pub(crate) fn begin(state: &mut State<'_>) -> Vec<Event> {
    let mut events = Vec::new();
    let most = state.chain.parameters.max_timers as usize;
    for (kind, clock) in timers::kinds() {
        let now = match clock {
            Clock::Time => state.time().0,
            Clock::Height => state.now().0,
        };
        for (key, _) in state.scan(&kind, &kind, most) {
            let Some((due, timer)) = Timer::of(&key) else {
                continue;
            };
            if due > now {
                break;
            }
            let result = ring(state, key, timer);
            keep(state, result, &mut events);
        }
    }
    // A block without beacon draws nothing: its orders wait for the next one.
    if state.context.beacon != Digest::ZERO {
        orders::draw_waiting(state, |state, result| keep(state, result, &mut events));
    }
    events
}

fn ring(state: &mut State<'_>, key: Vec<u8>, timer: Timer) -> Result<(), Refusal> {
    let amount: Option<Amount> = match timer {
        Timer::Bond(..) => state.load(&key),
        Timer::Order(_)
        | Timer::Posted(_)
        | Timer::Blocks(_)
        | Timer::Grant(..)
        | Timer::File(..)
        | Timer::Keys(..) => None,
    };
    state.remove(key);
    match timer {
        Timer::Bond(role, account) => {
            accounts::free(state, (role, account), amount.unwrap_or_default())
        }
        Timer::Order(order) | Timer::Posted(order) | Timer::Blocks(order) => {
            orders::late(state, order)
        }
        Timer::Grant(file, owner, grantee) => files::expire(state, file, owner, grantee),
        Timer::File(file, owner) => files::run_out(state, file, owner),
        Timer::Keys(order, run) => {
            orders::forget_keys(state, order, run);
            Ok(())
        }
    }
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
