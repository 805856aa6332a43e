//! Where orders wait for a draw: at the end of a line when they begin to, and aside once they found nobody.

use super::demand::{Class, Rank};
use super::keys;
use crate::state::State;
use crate::{Head, Order, Phase};

fn rank(order: &Order) -> Rank {
    match order.head.phase {
        Phase::Posted if order.standing().next().is_none() => Rank::Posted,
        _ => Rank::Urgent,
    }
}

/// What an order that waits asks.
fn class(head: &Head) -> Class {
    match head.phase {
        Phase::Posted => Class::of_posted(&head.terms),
        Phase::Committed => Class::of_committed(&head.terms),
        _ => Class::FREE,
    }
}

/// Where an order lies aside.
pub(super) fn aside(head: &Head, rank: Rank) -> Vec<u8> {
    keys::aside(rank, &class(head), head.since.height, &head.id)
}

/// Takes an order out of where it waited, and puts it at the end of its line where it waits now.
pub(super) fn keep(state: &mut State<'_>, before: Option<&Head>, order: &Order) {
    let head = &order.head;
    let waits = head.phase.waits_for_draw();
    let now = waits.then(|| keys::in_line(rank(order), head.since.height, &head.id));
    for before in before
        .into_iter()
        .filter(|before| before.phase.waits_for_draw())
    {
        for rank in Rank::ALL {
            let line = keys::in_line(rank, before.since.height, &before.id);
            for key in [line, aside(before, rank)] {
                if now.as_ref() != Some(&key) && state.has(&key) {
                    state.remove(key);
                }
            }
        }
    }
    if let Some(key) = now {
        let last_resort = order.run().is_some_and(|run| run.last_resort);
        let asks = match last_resort {
            // Validators are seated without being asked.
            true => Class::FREE,
            false => class(head),
        };
        state.save_changed(key, &asks.bytes());
    }
}
