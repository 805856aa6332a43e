//! Phases whose time is over: whoever had the move loses, and the order goes on without it.

use crate::progress::{close, enter, fail, slash_seat};
use crate::resolve::{draw_again, end, resolve};
use crate::state::State;
use crate::{AccountId, FailureReason, Order, Outcome, Phase, Refusal, Seat, SlashReason, Verdict};

/// Ends the order's phase. Always changes the order.
pub(super) fn pass(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let requester = order.requester;
    match order.phase {
        Phase::Posted => close(state, order, Outcome::NoProvider),
        Phase::Assigned => close(state, order, Outcome::NotGranted),
        Phase::Running => fail(state, order, FailureReason::Late, &[requester]),
        Phase::Committed => close(state, order, Outcome::NoAuditors),
        Phase::Opening => fail(state, order, FailureReason::Withheld, &[requester]),
        Phase::Auditing => commitments_over(state, order),
        Phase::Closing => {
            // Those who replayed find their work in vain.
            let auditors = standing(order, |_| true);
            fail(state, order, FailureReason::Withheld, &auditors)
        }
        Phase::Revealing => {
            let missing = standing(order, |seat| seat.results.is_none());
            for auditor in missing {
                slash_seat(state, order, auditor, SlashReason::NoReveal, &[])?;
            }
            resolve(state, order)
        }
        Phase::Bisecting => bisection_over(state, order),
        Phase::Attesting => end(state, order, Verdict::None, FailureReason::Unavailable),
        Phase::Accepted => close(state, order, Outcome::Paid),
        Phase::Settled | Phase::Cancelled | Phase::Refunded => Ok(()),
    }
    .map(|()| true)
}

fn commitments_over(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    for auditor in standing(order, |seat| seat.commitment.is_none()) {
        slash_seat(state, order, auditor, SlashReason::NoCommitment, &[])?;
    }
    if standing(order, |_| true).is_empty() {
        return draw_again(state, order);
    }
    enter(state, order, Phase::Closing);
    Ok(())
}

fn bisection_over(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let moves = order
        .dispute()
        .map(|d| (d.provider_move.is_some(), d.challenger_move.is_some()));
    let verdict = match moves {
        Some((true, _)) => Verdict::Provider,
        Some((false, true)) => Verdict::Challenger,
        _ => Verdict::Neither,
    };
    end(state, order, verdict, FailureReason::Silent)
}

fn standing(order: &Order, which: impl Fn(&Seat) -> bool) -> Vec<AccountId> {
    let seats = order.round().map_or(&[][..], |round| &round.seats);
    let standing = seats.iter().filter(|seat| !seat.slashed && which(seat));
    standing.map(|seat| seat.auditor).collect()
}
