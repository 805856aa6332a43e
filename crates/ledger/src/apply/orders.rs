//! Posting, withdrawing, running and accepting orders.

use assay_crypto::Digest;

use super::{must_be, order_in};
use crate::progress::{close, enter, fail};
use crate::state::State;
use crate::{
    AccountId, Amount, BoundedVec, DeclineReason, Event, FailureReason, FileId, Grant, Order,
    OrderId, Outcome, Phase, Refusal, SealedKeys, Terms, Trace, keys, money, rules,
};

/// Posts an order and takes its escrow.
pub(super) fn post(
    state: &mut State<'_>,
    requester: AccountId,
    nonce: u64,
    terms: &Terms,
) -> Result<(), Refusal> {
    rules::check_terms(terms, &state.chain.parameters)?;
    for input in &terms.inputs {
        must_be_recorded(state, input.file, requester)?;
    }
    let escrow = terms.escrow().ok_or(Refusal::Overflow)?;
    money::debit(state, &requester, escrow)?;
    let id = OrderId::new(state.chain.id, requester, nonce);
    let now = state.now();
    let mut order = Order {
        id,
        requester,
        terms: terms.clone(),
        posted: now,
        updated: now,
        phase: Phase::Posted,
        since: now,
        deadline: now,
        attempt: 0,
        failures: Vec::new(),
        escrow,
        deposit: Amount::ZERO,
        assignment: None,
        grants: Vec::new(),
        trace: None,
        rounds: Vec::new(),
        disputes: Vec::new(),
        outcome: None,
    };
    state.emit(Event::OrderPosted {
        order: id,
        requester,
        escrow,
    });
    enter(state, &mut order, Phase::Posted);
    state.save_order(&mut order);
    Ok(())
}

/// Withdraws an order before its keys were granted.
pub(super) fn cancel(
    state: &mut State<'_>,
    sender: AccountId,
    order: OrderId,
) -> Result<(), Refusal> {
    let mut order = order_in(
        state,
        order,
        &[Phase::Posted, Phase::Assigned],
        "cancel_order",
    )?;
    must_be(&order, sender, Some(order.requester), "the requester")?;
    close(state, &mut order, Outcome::Withdrawn)?;
    state.save_order(&mut order);
    Ok(())
}

/// Hands keys over, where the phase has a use for them.
pub(super) fn grant(
    state: &mut State<'_>,
    from: AccountId,
    order: OrderId,
    to: AccountId,
    sealed: &SealedKeys,
) -> Result<(), Refusal> {
    let phases = [
        Phase::Assigned,
        Phase::Opening,
        Phase::Auditing,
        Phase::Bisecting,
        Phase::Attesting,
    ];
    let mut order = order_in(state, order, &phases, "grant")?;
    let (provider, requester) = (order.provider(), Some(order.requester));
    let is = |who: Option<AccountId>| who == Some(from);
    let challenger = order.dispute().map(|dispute| dispute.challenger);
    // Who may grant now, to whom, and since when a grant counts as given already.
    let (sender, grantee, since) = match order.phase {
        Phase::Assigned => (is(requester), provider == Some(to), order.since),
        Phase::Opening | Phase::Auditing => {
            let seat = order.seat(to).is_some_and(|seat| !seat.slashed);
            // After the starts are open a provider cannot mend what it granted.
            let sender = is(requester) || is(provider) && order.phase == Phase::Opening;
            (
                sender,
                seat,
                order.round().map_or(order.since, |round| round.at),
            )
        }
        _ => {
            let validator = state.chain.validators.binary_search(&to).is_ok();
            let since = order
                .dispute()
                .map_or(order.since, |dispute| dispute.opened);
            (
                is(requester) || is(provider) || is(challenger),
                validator,
                since,
            )
        }
    };
    if !sender {
        let belongs = "somebody who holds keys and may hand them on now".to_owned();
        return Err(Refusal::NotYourMove {
            order: order.id,
            belongs,
        });
    }
    if !grantee {
        return Err(Refusal::NotAGrantee {
            order: order.id,
            grantee: to,
        });
    }
    if order
        .grants
        .iter()
        .any(|g| g.from == from && g.to == to && g.at >= since)
    {
        return Err(Refusal::AlreadyDone { order: order.id });
    }
    order.grants.push(Grant {
        from,
        to,
        sealed: sealed.clone(),
        at: state.now(),
    });
    state.emit(Event::Granted {
        order: order.id,
        from,
        to,
    });
    match order.phase {
        Phase::Assigned => enter(state, &mut order, Phase::Running),
        Phase::Opening => super::audit::advance_opening(state, &mut order),
        _ => {}
    }
    state.save_order(&mut order);
    Ok(())
}

/// Gives an order back that cannot be done as posted. Nobody is punished: the ledger cannot see
/// which of the two is at fault.
pub(super) fn decline(
    state: &mut State<'_>,
    sender: AccountId,
    order: OrderId,
    reason: DeclineReason,
) -> Result<(), Refusal> {
    let mut order = order_in(state, order, &[Phase::Running], "decline")?;
    must_be(&order, sender, order.provider(), "the assigned provider")?;
    state.emit(Event::Declined {
        order: order.id,
        provider: sender,
        reason,
    });
    fail(state, &mut order, FailureReason::Declined(reason), &[])?;
    state.save_order(&mut order);
    Ok(())
}

/// Commits the provider to its run.
pub(super) fn commit_trace(
    state: &mut State<'_>,
    sender: AccountId,
    order: OrderId,
    root: Digest,
    checkpoints: &BoundedVec<FileId, 1024>,
    result: FileId,
) -> Result<(), Refusal> {
    let mut order = order_in(state, order, &[Phase::Running], "commit_trace")?;
    must_be(&order, sender, order.provider(), "the assigned provider")?;
    let expected = order.terms.segments();
    if checkpoints.len() != expected as usize {
        let found = checkpoints.len() as u32;
        return Err(Refusal::CheckpointCount {
            order: order.id,
            expected,
            found,
        });
    }
    for file in checkpoints.iter().chain([&result]) {
        must_be_recorded(state, *file, sender)?;
    }
    let at = state.now();
    order.trace = Some(Trace {
        root,
        checkpoints: checkpoints.to_vec(),
        result,
        at,
    });
    state.emit(Event::TraceCommitted {
        order: order.id,
        provider: sender,
        root,
    });
    enter(state, &mut order, Phase::Committed);
    state.save_order(&mut order);
    Ok(())
}

/// Ends the complaint window early.
pub(super) fn accept(
    state: &mut State<'_>,
    sender: AccountId,
    order: OrderId,
) -> Result<(), Refusal> {
    let mut order = order_in(state, order, &[Phase::Accepted], "accept")?;
    must_be(&order, sender, Some(order.requester), "the requester")?;
    close(state, &mut order, Outcome::Paid)?;
    state.save_order(&mut order);
    Ok(())
}

fn must_be_recorded(state: &State<'_>, file: FileId, owner: AccountId) -> Result<(), Refusal> {
    if state.has(&keys::file(&file, &owner)) {
        return Ok(());
    }
    Err(Refusal::UnknownFile { file, owner })
}
