//! Phases whose time is over: whoever had the move loses, and the order goes on without it.

use super::audit::standing;
use super::life::LIFE;
use super::resolve::{decided, draw_again, resolve, slash_seat};
use super::{audit, close, fail, last_resort, work};
use crate::orders::escrow::Reward;
use crate::orders::life::Late;
use crate::orders::passage::enter;
use crate::orders::{asking, disputes, escrow, judging};
use crate::state::State;
use crate::{AccountId, Order, Outcome, Phase, Refusal, Seat, SlashReason};

/// Ends the order's phase as its row says.
pub(super) fn pass(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let row = LIFE.iter().find(|row| row.phase == order.head.phase);
    match row.map_or(Late::Over, |row| row.late) {
        // No row of its names the others.
        Late::Over | Late::Begins(_) | Late::Goes(_) => Ok(()),
        Late::Unjudged => {
            let decision = judging::unjudged(state, order);
            decided(state, order, decision)
        }
        Late::Unanswered => {
            asking::miss(state, order);
            match order.head.phase {
                Phase::Called => audit::seat(state, order),
                _ => work::begin(state, order),
            }
        }
        Late::Ends(Outcome::NotGranted) => {
            let provider = order.provider();
            escrow::pay_idle(state, order, provider)?;
            close(state, order, Outcome::NotGranted)
        }
        Late::Ends(outcome) | Late::Compares(outcome) => close(state, order, outcome),
        Late::Validators => last_resort::call(state, order),
        Late::Again => {
            let phase = order.head.phase;
            enter(state, order, phase);
            Ok(())
        }
        Late::Fails(reason) => {
            let harmed = match order.head.phase {
                // Those who replayed find their work in vain.
                Phase::Closing => accounts(order, |_| true),
                // A requester that were rewarded would make it late.
                _ => Vec::new(),
            };
            let right = &harmed;
            fail(state, order, reason, Reward { right, judges: &[] })
        }
        Late::Seats(SlashReason::NoCommitment) => commitments_over(state, order),
        Late::Seats(reason) => {
            for auditor in accounts(order, |seat| seat.results.is_none()) {
                slash_seat(state, order, auditor, reason, Reward::default())?;
            }
            resolve(state, order)
        }
        Late::Silence => {
            let decision = disputes::silence(state, order);
            decided(state, order, decision)
        }
    }
}

fn commitments_over(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    for auditor in accounts(order, |seat| seat.commitment.is_none()) {
        let reason = SlashReason::NoCommitment;
        slash_seat(state, order, auditor, reason, Reward::default())?;
    }
    if standing(order).next().is_none() {
        return draw_again(state, order);
    }
    enter(state, order, Phase::Closing);
    Ok(())
}

fn accounts(order: &Order, which: impl Fn(&Seat) -> bool) -> Vec<AccountId> {
    let standing = standing(order).filter(|seat| which(seat));
    standing.map(|seat| seat.auditor).collect()
}
