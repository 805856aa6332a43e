//! Opening leaves, committing to replays and revealing them.

use assay_crypto::Digest;

use super::{must_be, order_in};
use crate::progress::enter;
use crate::resolve::resolve;
use crate::state::State;
use crate::{
    AccountId, AuditResults, BoundedVec, Event, Leaf, Opening, Order, OrderId, Phase, Refusal,
    Seat, StepIndex,
};

/// Opens leaf 0 and the leaves where replays start.
pub(super) fn open_starts(
    state: &mut State<'_>,
    sender: AccountId,
    order: OrderId,
    openings: &BoundedVec<Opening, 80>,
) -> Result<(), Refusal> {
    let mut order = order_in(state, order, &[Phase::Opening], "open_starts")?;
    must_be(&order, sender, order.provider(), "the assigned provider")?;
    if order.round().is_some_and(|round| !round.starts.is_empty()) {
        return Err(Refusal::AlreadyDone { order: order.id });
    }
    let starts = verified(&order, order.starts(), openings)?;
    if let Some(round) = order.rounds.last_mut() {
        round.starts = starts;
    }
    advance_opening(state, &mut order);
    state.save_order(&mut order);
    Ok(())
}

/// Lets the auditors begin once the starts are open and each of them holds keys.
pub(super) fn advance_opening(state: &mut State<'_>, order: &mut Order) {
    let (Some(provider), Some(round)) = (order.provider(), order.round()) else {
        return;
    };
    let granted = |seat: &Seat| {
        order
            .grants
            .iter()
            .any(|grant| grant.from == provider && grant.to == seat.auditor)
    };
    if !round.starts.is_empty() && round.seats.iter().all(granted) {
        enter(state, order, Phase::Auditing);
    }
}

/// Commits an auditor to its results.
pub(super) fn commit(
    state: &mut State<'_>,
    sender: AccountId,
    order: OrderId,
    commitment: Digest,
) -> Result<(), Refusal> {
    let mut order = order_in(state, order, &[Phase::Auditing], "commit_audit")?;
    let id = order.id;
    let seats = standing_seats(&mut order);
    let seat = my_seat(id, seats, sender)?;
    if seat.commitment.is_some() {
        return Err(Refusal::AlreadyDone { order: id });
    }
    seat.commitment = Some(commitment);
    state.emit(Event::AuditCommitted {
        order: id,
        auditor: sender,
    });
    if standing_seats(&mut order).all(|seat| seat.commitment.is_some()) {
        enter(state, &mut order, Phase::Closing);
    }
    state.save_order(&mut order);
    Ok(())
}

/// Opens the leaves where the drawn segments end, and the last leaf.
pub(super) fn open_ends(
    state: &mut State<'_>,
    sender: AccountId,
    order: OrderId,
    openings: &BoundedVec<Opening, 80>,
) -> Result<(), Refusal> {
    let mut order = order_in(state, order, &[Phase::Closing], "open_ends")?;
    must_be(&order, sender, order.provider(), "the assigned provider")?;
    let ends = verified(&order, order.ends(), openings)?;
    if let Some(round) = order.rounds.last_mut() {
        round.ends = ends;
    }
    enter(state, &mut order, Phase::Revealing);
    state.save_order(&mut order);
    Ok(())
}

/// Reveals an auditor's results; the last reveal of a round settles what follows from it.
pub(super) fn reveal(
    state: &mut State<'_>,
    sender: AccountId,
    order: OrderId,
    results: &AuditResults,
    salt: &Digest,
) -> Result<(), Refusal> {
    let mut order = order_in(state, order, &[Phase::Revealing], "reveal_audit")?;
    let id = order.id;
    let drawn = order
        .round()
        .map(|round| round.segments.clone())
        .unwrap_or_default();
    let seat = my_seat(id, standing_seats(&mut order), sender)?;
    if seat.results.is_some() {
        return Err(Refusal::AlreadyDone { order: id });
    }
    if seat.commitment != Some(results.commitment(id, sender, salt)) {
        return Err(Refusal::CommitmentMismatch { order: id });
    }
    if !results
        .segments
        .iter()
        .map(|(segment, _)| segment)
        .eq(&drawn)
    {
        return Err(Refusal::WrongSegments { order: id });
    }
    seat.results = Some(results.clone());
    state.emit(Event::AuditRevealed {
        order: id,
        auditor: sender,
    });
    if standing_seats(&mut order).all(|seat| seat.results.is_some()) {
        resolve(state, &mut order)?;
    }
    state.save_order(&mut order);
    Ok(())
}

fn standing_seats(order: &mut Order) -> impl Iterator<Item = &mut Seat> {
    let round = order.rounds.last_mut();
    round
        .into_iter()
        .flat_map(|round| &mut round.seats)
        .filter(|seat| !seat.slashed)
}

fn my_seat<'a>(
    order: OrderId,
    mut seats: impl Iterator<Item = &'a mut Seat>,
    sender: AccountId,
) -> Result<&'a mut Seat, Refusal> {
    let belongs = "the auditors drawn in this round".to_owned();
    seats
        .find(|seat| seat.auditor == sender)
        .ok_or(Refusal::NotYourMove { order, belongs })
}

/// The leaves of exactly the `expected` steps, each shown to lie under the trace's root.
fn verified(
    order: &Order,
    expected: Vec<StepIndex>,
    openings: &[Opening],
) -> Result<Vec<Leaf>, Refusal> {
    if !openings.iter().map(|opening| &opening.step).eq(&expected) {
        return Err(Refusal::WrongOpenings {
            order: order.id,
            expected,
        });
    }
    openings
        .iter()
        .map(|opening| super::dispute::check_path(order, opening))
        .collect()
}
