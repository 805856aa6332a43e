//! Finding auditors and drawing segments, opening leaves, committing to replays and revealing them.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_crypto::stream::Stream;

use super::last_resort;
use super::resolve::resolve;
use crate::accounts::money;
use crate::orders::draw::{self, Pools};
use crate::orders::passage::{enter, resume};
use crate::orders::{asking, complaint, disputes, grants};
use crate::state::State;
use crate::{
    AccountId, Amount, AuditResults, BoundedVec, Height, Leaf, Opening, Order, OrderEvent,
    OrderRefusal, Phase, Place, Ppm, ProcedureName, Refusal, Role, Round, RunIndex, Seat,
    SegmentIndex, StepIndex, Terms,
};

/// Draws whom to ask for the seats that are empty; validators that sit in place of auditors are not
/// asked.
pub(super) fn draw(
    state: &mut State<'_>,
    order: &mut Order,
    pools: &mut Pools,
) -> Result<bool, Refusal> {
    let Some(run) = order.run() else {
        return Ok(false);
    };
    if run.last_resort {
        return seat_validators(state, order, pools);
    }
    let together = run.unfilled().into_iter().flat_map(|round| &round.seats);
    let together: BTreeSet<AccountId> = together.map(|seat| state.owner(&seat.auditor)).collect();
    let (may, needed) = (last_resort::may_sit(state, order), missing(order));
    // Where most are busy, somebody may have seen to it that its accomplices are not.
    let (role, share) = (Role::Auditor, state.chain.parameters.least_free);
    if !pools.free(state, (role, &order.head.terms), share, &may) {
        return Ok(false);
    }
    asking::ask(state, order, pools, (Role::Auditor, needed), |of| {
        may(of) && !together.contains(&of.owner)
    })
}

/// Those whose reveals stand, in a role.
fn passed(order: &Order, role: Role) -> usize {
    let passed = order.run().into_iter().flat_map(|run| run.passed());
    passed.filter(|seat| seat.role == role).count()
}

/// Seats without an auditor.
fn missing(order: &Order) -> usize {
    let unfilled = order.run().and_then(|run| run.unfilled());
    usize::from(order.head.terms.auditors)
        .saturating_sub(passed(order, Role::Auditor))
        .saturating_sub(unfilled.map_or(0, |round| round.seats.len()))
}

/// Gives seats to those who accepted, and locks their bonds. Where seats are still empty others are
/// asked for them; those that are taken stay so.
pub(super) fn seat(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let (at, bond) = (state.now(), order.head.terms.auditor_bond);
    let share = order.head.asked.as_ref().and_then(|asked| asked.share);
    let accepted = asking::close(state, order)?;
    for auditor in &accepted {
        money::lock(state, Role::Auditor, &auditor.account, bond)?;
    }
    let seats = accepted.iter().map(|auditor| Seat {
        auditor: auditor.account,
        role: Role::Auditor,
        encryption_key: auditor.encryption_key,
        bond,
        commitment: None,
        results: None,
        slashed: false,
        dismissed: false,
    });
    add_seats(order, (at, share), seats.collect());
    match missing(order) {
        0 => enter(state, order, Phase::Seated),
        _ => resume(state, order, Phase::Committed),
    }
    Ok(())
}

/// Seats validators, or as many of them as are left, beside auditors that have a seat already, and draws
/// segments. They cannot decline, so one beacon does for both.
fn seat_validators(
    state: &mut State<'_>,
    order: &mut Order,
    pools: &mut Pools,
) -> Result<bool, Refusal> {
    let role = Role::Validator;
    let needed = last_resort::needed(state).saturating_sub(passed(order, role));
    let mut stream = draw::stream(state, order, role.name());
    let may = last_resort::may_sit(state, order);
    let terms = &order.head.terms;
    let drawn = pools.draw(state, (role, terms), &mut stream, (1, needed), may);
    let seats = drawn.iter().map(|of| Seat {
        auditor: of.account,
        role,
        encryption_key: of.registration.encryption_key,
        bond: Amount::ZERO,
        commitment: None,
        results: None,
        slashed: false,
        dismissed: false,
    });
    add_seats(order, (state.now(), None), seats.collect());
    if order.run().and_then(|run| run.unfilled()).is_none() {
        return Ok(false);
    }
    draw_round(state, order)
}

/// Adds seats to the round that waits for its segments, which the first of them begins.
fn add_seats(order: &mut Order, (at, share): (Height, Option<Ppm>), seats: Vec<Seat>) {
    let Some(run) = order.run_mut().filter(|_| !seats.is_empty()) else {
        return;
    };
    if run.unfilled().is_none() {
        run.rounds.push(Round {
            at,
            share,
            segments: Vec::new(),
            seats: Vec::new(),
            starts: Vec::new(),
            ends: Vec::new(),
        });
    }
    if let Some(round) = run.rounds.last_mut() {
        round.share = share;
        round.seats.extend(seats);
    }
}

/// Draws the segments of a round whose seats are all taken: from a beacon that nobody knew when the last
/// auditor accepted.
pub(super) fn draw_round(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let (id, at) = (order.head.id, state.now());
    let segments = draw_segments(&mut draw::stream(state, order, "segments"), order);
    let Some(round) = round_mut(order) else {
        return Ok(false);
    };
    round.at = at;
    round.segments.clone_from(&segments);
    let auditors = round.seats.iter().map(|seat| seat.auditor).collect();
    state.emit(OrderEvent::AuditDrawn { auditors, segments }.of(id));
    enter(state, order, Phase::Opening);
    Ok(true)
}

/// Draws among the segments in which something was computed, and adds those that are always replayed.
/// Terms of copies name no number: of one that was left alone all are replayed, or as many drawn as can be.
///
/// It draws with replacement, so that the chance to miss a share of bad segments is exactly
/// `(1 - share)^drawn`; segments drawn twice are replayed once.
fn draw_segments(stream: &mut Stream, order: &Order) -> Vec<SegmentIndex> {
    let terms = &order.head.terms;
    let Some(trace) = order.run().and_then(|run| run.trace.as_ref()) else {
        return Vec::new();
    };
    let mut worked = trace.worked_segments(terms);
    let last = terms.segments().saturating_sub(1);
    let of_another = order.head.audit_of.is_some();
    if of_another {
        // Its last step makes what is merged in a round, or scored in a contest, so that segment is replayed anyway: no
        // draw is spent on it.
        worked = worked.min(last).max(1);
    }
    let draw = |_| SegmentIndex(u32::try_from(stream.below(worked.into())).unwrap_or(0));
    let most = Terms::MAX_DRAWN;
    let mut distinct: BTreeSet<_> = match ProcedureName::of(terms) {
        ProcedureName::Traced | ProcedureName::Rounds | ProcedureName::Contest => {
            (0..terms.segments_drawn).map(draw).collect()
        }
        ProcedureName::Redundant if worked <= most => (0..worked).map(SegmentIndex).collect(),
        ProcedureName::Redundant => (0..most).map(draw).collect(),
    };
    distinct.extend(trace.always_replayed(terms));
    if of_another {
        distinct.insert(SegmentIndex(last));
    }
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
    let run = run.index;
    let ends = verified(order, run, expected, openings)?;
    for opening in openings {
        complaint::note_last(state, order, run, opening)?;
    }
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
) -> Result<Vec<Leaf>, Refusal> {
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
        match trace.is_some_and(|trace| trace.admits(opening.step, &opening.reached.counts)) {
            true => Ok(opened),
            false => Err(disputes::other_counts(order, opened.step)),
        }
    };
    openings.iter().map(fitting).collect()
}
