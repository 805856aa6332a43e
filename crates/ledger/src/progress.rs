//! Moving an order on: from phase to phase, from attempt to attempt, and to its end.

use crate::state::State;
use crate::{
    AccountId, Amount, Event, Failure, FailureReason, Order, Outcome, Phase, Ppm, Refusal, Role,
    SlashReason, money,
};

/// Enters a phase, or begins it anew, with its full deadline. The caller saves the order.
///
/// Calls count in the `n` blocks after this one; the phase ends by itself at the beginning of the
/// block after those.
pub(crate) fn enter(state: &mut State<'_>, order: &mut Order, phase: Phase) {
    let deadlines = &order.terms.deadlines;
    let blocks = match phase {
        Phase::Posted | Phase::Committed => deadlines.assign,
        Phase::Assigned => deadlines.grant,
        Phase::Running => deadlines.run,
        Phase::Opening | Phase::Closing => deadlines.open,
        Phase::Auditing => deadlines.audit,
        Phase::Revealing => deadlines.reveal,
        Phase::Bisecting => deadlines.dispute,
        Phase::Attesting => deadlines.attest,
        Phase::Accepted => deadlines.complain,
        Phase::Settled | Phase::Cancelled | Phase::Refunded => 0,
    };
    order.phase = phase;
    order.since = state.now();
    order.deadline = state.now().after(blocks).after(1);
    state.emit(Event::PhaseEntered {
        order: order.id,
        phase,
    });
}

/// Ends an attempt without a result: cuts the provider's bond as `reason` demands, rewards
/// `rewarded`, frees the auditors, and posts the order again or refunds it.
pub(crate) fn fail(
    state: &mut State<'_>,
    order: &mut Order,
    reason: FailureReason,
    rewarded: &[AccountId],
) -> Result<(), Refusal> {
    let Some(assignment) = order.assignment.take() else {
        return Ok(());
    };
    let provider = assignment.provider;
    let rate = match reason {
        FailureReason::Declined(_) => Ppm(0),
        FailureReason::Late => state.chain.parameters.late_rate,
        FailureReason::Withheld
        | FailureReason::Silent
        | FailureReason::WrongResult
        | FailureReason::Unavailable => Ppm::ONE,
    };
    let slashed = if rate == Ppm(0) {
        money::unlock(state, Role::Provider, &provider, assignment.bond)?;
        Amount::ZERO
    } else {
        let amount = assignment.bond;
        let locked = money::Locked {
            order,
            role: Role::Provider,
            account: provider,
            amount,
        };
        money::slash(
            state,
            &locked,
            rate,
            SlashReason::Provider(reason),
            rewarded,
        )?
    };
    free_seats(state, order)?;
    let (attempt, at) = (order.attempt, state.now());
    order.failures.push(Failure {
        attempt,
        provider,
        reason,
        slashed,
        at,
        trace: order.trace.take(),
        rounds: std::mem::take(&mut order.rounds),
        disputes: std::mem::take(&mut order.disputes),
    });
    order.grants.clear();
    state.emit(Event::AttemptFailed {
        order: order.id,
        attempt,
        provider,
        reason,
    });
    if attempt.saturating_add(1) < order.terms.attempts {
        order.attempt += 1;
        enter(state, order, Phase::Posted);
        Ok(())
    } else {
        close(state, order, Outcome::AttemptsUsed)
    }
}

/// Ends an order: pays who is to be paid, frees every bond, and returns what is left to the
/// requester.
pub(crate) fn close(
    state: &mut State<'_>,
    order: &mut Order,
    outcome: Outcome,
) -> Result<(), Refusal> {
    if outcome == Outcome::Paid
        && let Some(provider) = order.provider()
    {
        let price = order.terms.price;
        money::pay_from_escrow(state, order, &provider, price)?;
    }
    if matches!(outcome, Outcome::Paid | Outcome::NoAuditors) {
        let passed: Vec<_> = order.passed().map(|seat| seat.auditor).collect();
        for auditor in passed {
            let fee = order.terms.auditor_fee;
            money::pay_from_escrow(state, order, &auditor, fee)?;
        }
    }
    if let Some(assignment) = &order.assignment {
        money::unlock(state, Role::Provider, &assignment.provider, assignment.bond)?;
    }
    free_seats(state, order)?;
    let requester = order.requester;
    money::pay_deposit(state, order, &requester)?;
    let rest = order.escrow;
    money::pay_from_escrow(state, order, &requester, rest)?;
    order.outcome = Some(outcome);
    order.phase = match outcome {
        Outcome::Paid => Phase::Settled,
        Outcome::Withdrawn => Phase::Cancelled,
        _ => Phase::Refunded,
    };
    order.since = state.now();
    order.deadline = state.now();
    state.emit(Event::Ended {
        order: order.id,
        outcome,
    });
    Ok(())
}

/// Frees the bond of every auditor of this attempt that kept it.
fn free_seats(state: &mut State<'_>, order: &Order) -> Result<(), Refusal> {
    let seats = order.rounds.iter().flat_map(|round| &round.seats);
    for seat in seats.filter(|seat| !seat.slashed) {
        money::unlock(state, Role::Auditor, &seat.auditor, seat.bond)?;
    }
    Ok(())
}

/// Cuts the whole bond of an auditor of the current round.
pub(crate) fn slash_seat(
    state: &mut State<'_>,
    order: &mut Order,
    auditor: AccountId,
    reason: SlashReason,
    rewarded: &[AccountId],
) -> Result<(), Refusal> {
    let seats = order.rounds.last_mut().map(|round| round.seats.iter_mut());
    let seat = seats.and_then(|mut seats| seats.find(|s| s.auditor == auditor && !s.slashed));
    let Some(seat) = seat else { return Ok(()) };
    seat.slashed = true;
    let amount = seat.bond;
    let locked = money::Locked {
        order,
        role: Role::Auditor,
        account: auditor,
        amount,
    };
    money::slash(state, &locked, Ppm::ONE, reason, rewarded).map(|_| ())
}
