//! Drawing auditors and segments, opening leaves, committing to replays and revealing them.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_crypto::stream::Stream;

use super::last_resort;
use super::resolve::resolve;
use crate::accounts::money;
use crate::orders::draw::{self, Candidate, Pools};
use crate::orders::passage::enter;
use crate::orders::{disputes, grants};
use crate::state::State;
use crate::{
    AccountId, Amount, AuditResults, BoundedVec, Opened, Opening, Order, OrderEvent, OrderRefusal,
    Phase, Place, Refusal, Role, Round, RunIndex, Seat, SegmentIndex, StepIndex,
};

/// Draws auditors, or validators in their place, for the seats that are empty, and segments.
pub(super) fn draw(
    state: &mut State<'_>,
    order: &mut Order,
    pools: &mut Pools,
) -> Result<bool, Refusal> {
    let (id, at) = (order.head.id, state.now());
    let Some(run) = order.run() else {
        return Ok(false);
    };
    let passed = |role| run.passed().filter(move |seat| seat.role == role).count();
    let (role, bond, needed) = match run.last_resort {
        true => (
            Role::Validator,
            Amount::ZERO,
            last_resort::needed(state).saturating_sub(passed(Role::Validator)),
        ),
        false => (
            Role::Auditor,
            order.head.terms.auditor_bond,
            usize::from(order.head.terms.auditors).saturating_sub(passed(Role::Auditor)),
        ),
    };
    // Of validators, whoever is left.
    let least = if run.last_resort { 1 } else { needed };
    let mut stream = draw::stream(state, order, "auditors");
    let may = last_resort::may_sit(state, order);
    let drawn = pools.draw(state, (role, bond), &mut stream, (least, needed), may);
    if drawn.is_empty() {
        return Ok(false);
    }
    if role == Role::Auditor {
        for auditor in &drawn {
            money::lock(state, role, &auditor.account, bond)?;
        }
    }
    let segments = draw_segments(&mut draw::stream(state, order, "segments"), order);
    let seat = |auditor: &Candidate| Seat {
        auditor: auditor.account,
        role,
        encryption_key: auditor.encryption_key,
        bond,
        commitment: None,
        results: None,
        slashed: false,
        dismissed: false,
    };
    if let Some(run) = order.run_mut() {
        run.rounds.push(Round {
            at,
            segments: segments.clone(),
            seats: drawn.iter().map(seat).collect(),
            starts: Vec::new(),
            ends: Vec::new(),
        });
    }
    let auditors = drawn.iter().map(|auditor| auditor.account).collect();
    state.emit(OrderEvent::AuditDrawn { auditors, segments }.of(id));
    enter(state, order, Phase::Opening);
    Ok(true)
}

/// Draws among the segments in which something was computed, and adds those that are always replayed.
///
/// It draws with replacement, so that the chance to miss a share of bad segments is exactly
/// `(1 - share)^drawn`; segments drawn twice are replayed once.
fn draw_segments(stream: &mut Stream, order: &Order) -> Vec<SegmentIndex> {
    let terms = &order.head.terms;
    let Some(trace) = order.run().and_then(|run| run.trace.as_ref()) else {
        return Vec::new();
    };
    let worked = u64::from(trace.worked_segments(terms));
    let draw = |_| SegmentIndex(u32::try_from(stream.below(worked)).unwrap_or(0));
    let mut distinct: BTreeSet<_> = (0..terms.segments_drawn).map(draw).collect();
    distinct.extend(trace.always_replayed(terms));
    distinct.into_iter().collect()
}

/// Opens leaf 0 and the leaves where replays start.
pub(super) fn open_starts(
    state: &mut State<'_>,
    order: &mut Order,
    openings: &BoundedVec<Opening, 80>,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let done = || OrderRefusal::AlreadyDone { order: id };
    let run = order.run().ok_or_else(done)?;
    if run.round().is_some_and(|round| !round.starts.is_empty()) {
        return Err(done().into());
    }
    let expected = run.starts(&order.head.terms);
    let starts = verified(order, run.index, expected, openings)?;
    if let Some(round) = round_mut(order) {
        round.starts = starts;
    }
    advance_opening(state, order);
    Ok(())
}

/// Lets the auditors begin once the starts are open and each of them holds keys.
pub(super) fn advance_opening(state: &mut State<'_>, order: &mut Order) {
    let (Some(provider), Some(round), Some(place)) =
        (order.provider(), order.round(), order.round_place())
    else {
        return;
    };
    let granted = |seat: &Seat| grants::granted(state, &place, provider, seat.auditor);
    if !round.starts.is_empty() && round.seats.iter().all(granted) {
        enter(state, order, Phase::Auditing);
    }
}

/// Commits an auditor to its results.
pub(super) fn commit(
    state: &mut State<'_>,
    order: &mut Order,
    auditor: AccountId,
    commitment: Digest,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let done = || OrderRefusal::AlreadyDone { order: id };
    let seat = seat_mut(order, auditor).ok_or_else(done)?;
    if seat.commitment.is_some() {
        return Err(done().into());
    }
    seat.commitment = Some(commitment);
    state.emit(OrderEvent::AuditCommitted { auditor }.of(id));
    if standing(order).all(|seat| seat.commitment.is_some()) {
        enter(state, order, Phase::Closing);
    }
    Ok(())
}

/// Opens the leaves where the drawn segments end, and the last leaf.
pub(super) fn open_ends(
    state: &mut State<'_>,
    order: &mut Order,
    openings: &BoundedVec<Opening, 80>,
) -> Result<(), Refusal> {
    let order_id = order.head.id;
    let run = order
        .run()
        .ok_or(OrderRefusal::AlreadyDone { order: order_id })?;
    let expected = run.ends(&order.head.terms);
    let ends = verified(order, run.index, expected, openings)?;
    if let Some(round) = round_mut(order) {
        round.ends = ends;
    }
    enter(state, order, Phase::Revealing);
    Ok(())
}

/// Reveals an auditor's results; the last reveal of a round settles what follows from it.
pub(super) fn reveal(
    state: &mut State<'_>,
    order: &mut Order,
    (auditor, place): (AccountId, &Place),
    results: &AuditResults,
    salt: &Digest,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let done = || OrderRefusal::AlreadyDone { order: id };
    let drawn = order.round().map(|round| round.segments.clone());
    let seat = seat_mut(order, auditor).ok_or_else(done)?;
    if seat.results.is_some() {
        return Err(done().into());
    }
    if seat.commitment != Some(results.commitment(place, auditor, salt)) {
        return Err(OrderRefusal::CommitmentMismatch { order: id }.into());
    }
    let listed = results.segments.iter().map(|(segment, _)| segment);
    if !listed.eq(drawn.iter().flatten()) {
        return Err(OrderRefusal::WrongSegments { order: id }.into());
    }
    seat.results = Some(results.clone());
    state.emit(OrderEvent::AuditRevealed { auditor }.of(id));
    if standing(order).all(|seat| seat.results.is_some()) {
        resolve(state, order)?;
    }
    Ok(())
}

fn round_mut(order: &mut Order) -> Option<&mut Round> {
    order.run_mut()?.rounds.last_mut()
}

/// The seats of the current round that count.
pub(super) fn standing(order: &Order) -> impl Iterator<Item = &Seat> {
    let seats = order.round().into_iter().flat_map(|round| &round.seats);
    seats.filter(|seat| seat.stands())
}

/// The standing seat of an auditor in the current round.
pub(super) fn seat_mut(order: &mut Order, auditor: AccountId) -> Option<&mut Seat> {
    let mut seats = round_mut(order)?.seats.iter_mut();
    seats.find(|seat| seat.auditor == auditor && seat.stands())
}

/// The leaves of exactly the `expected` steps, each shown to lie under the run's root and to count
/// what was said of it.
fn verified(
    order: &Order,
    run: RunIndex,
    expected: Vec<StepIndex>,
    openings: &[Opening],
) -> Result<Vec<Opened>, Refusal> {
    if !openings.iter().map(|opening| &opening.step).eq(&expected) {
        return Err(OrderRefusal::WrongOpenings {
            order: order.head.id,
            expected,
        }
        .into());
    }
    let trace = order.run_at(run).and_then(|run| run.trace.as_ref());
    let fitting = |opening: &Opening| {
        let opened = disputes::opened(order, run, opening)?;
        match trace.is_some_and(|trace| trace.admits(opened.step, &opened.counts)) {
            true => Ok(opened),
            false => Err(disputes::other_counts(order, opened.step)),
        }
    };
    openings.iter().map(fitting).collect()
}
