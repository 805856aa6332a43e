//! Drawing providers, auditors and segments from the beacon.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_crypto::stream::Stream;

use crate::progress::enter;
use crate::state::State;
use crate::{
    AccountId, Amount, Assignment, Event, Order, Phase, Refusal, Role, Round, Seat, SegmentIndex,
    keys, money,
};

/// Orders for which one block draws at most. A draw looks at every registration, so orders that
/// nobody is eligible for, posted by the thousand, would otherwise hold up every block.
const DRAWS_PER_BLOCK: usize = 64;

/// The waiting orders whose turn it is: all of them, or as many as a block draws for, from a
/// place in their order that the beacon picks.
pub(super) fn turn(state: &State<'_>) -> Vec<Vec<u8>> {
    let waiting = state.range(&keys::all_waiting()).into_iter();
    let mut waiting: Vec<_> = waiting.map(|(key, _)| key).collect();
    if waiting.len() > DRAWS_PER_BLOCK {
        let mut stream = Stream::new(state.context.beacon, "assay/draw turn/v1", 0);
        let first = stream.below(waiting.len() as u64);
        waiting.rotate_left(usize::try_from(first).unwrap_or(0));
        waiting.truncate(DRAWS_PER_BLOCK);
    }
    waiting
}

/// Draws for an order that waits; says whether it changed. Where too few are eligible the order
/// goes on waiting, until its deadline.
pub(super) fn draw(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    if order.since >= state.now() {
        return Ok(false);
    }
    match order.phase {
        Phase::Posted => draw_provider(state, order),
        Phase::Committed => draw_auditors(state, order),
        _ => Ok(false),
    }
}

fn draw_provider(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let bond = order.terms.provider_bond;
    let eligible = eligible(state, Role::Provider, bond, |account| {
        *account != order.requester && order.failures.iter().all(|f| f.provider != *account)
    });
    let mut stream = stream(state, order, "provider");
    let Some(provider) = draw_weighted(&mut stream, eligible, 1).pop() else {
        return Ok(false);
    };
    money::lock(state, Role::Provider, &provider, bond)?;
    let seed = Order::seed(order.id, order.attempt, &state.context.beacon);
    order.assignment = Some(Assignment {
        provider,
        bond,
        seed,
        at: state.now(),
    });
    state.emit(Event::ProviderDrawn {
        order: order.id,
        attempt: order.attempt,
        provider,
    });
    enter(state, order, Phase::Assigned);
    Ok(true)
}

fn draw_auditors(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let bond = order.terms.auditor_bond;
    let needed = usize::from(order.terms.auditors).saturating_sub(order.passed().count());
    let seated: BTreeSet<AccountId> = order
        .rounds
        .iter()
        .flat_map(|round| &round.seats)
        .map(|seat| seat.auditor)
        .collect();
    let eligible = eligible(state, Role::Auditor, bond, |account| {
        *account != order.requester
            && Some(*account) != order.provider()
            && !seated.contains(account)
    });
    if eligible.len() < needed {
        return Ok(false);
    }
    let auditors = draw_weighted(&mut stream(state, order, "auditors"), eligible, needed);
    for auditor in &auditors {
        money::lock(state, Role::Auditor, auditor, bond)?;
    }
    let segments = draw_segments(&mut stream(state, order, "segments"), order);
    let seat = |auditor: &AccountId| Seat {
        auditor: *auditor,
        bond,
        commitment: None,
        results: None,
        slashed: false,
    };
    order.rounds.push(Round {
        at: state.now(),
        segments: segments.clone(),
        seats: auditors.iter().map(seat).collect(),
        starts: Vec::new(),
        ends: Vec::new(),
    });
    state.emit(Event::AuditDrawn {
        order: order.id,
        auditors,
        segments,
    });
    enter(state, order, Phase::Opening);
    Ok(true)
}

/// The block's randomness for one purpose of one attempt and round of one order.
fn stream(state: &State<'_>, order: &Order, purpose: &str) -> Stream {
    let round = order.rounds.len() as u64;
    let parts: [&[u8]; 3] = [&state.context.beacon.0, &order.id.0.0, &[order.attempt]];
    Stream::new(Digest::of("assay/draw/v1", &parts), purpose, round)
}

/// Who is registered in a role with `bond` free, with its whole free bond.
fn eligible(
    state: &State<'_>,
    role: Role,
    bond: Amount,
    may: impl Fn(&AccountId) -> bool,
) -> Vec<(AccountId, Amount)> {
    let registered = state.registrations(role).into_iter();
    registered
        .filter(|(account, registration)| registration.free() >= bond && may(account))
        .map(|(account, registration)| (account, registration.free()))
        .collect()
}

/// Draws up to `count` distinct accounts, each time with probability proportional to the free
/// bonds of those left.
fn draw_weighted(
    stream: &mut Stream,
    mut candidates: Vec<(AccountId, Amount)>,
    count: usize,
) -> Vec<AccountId> {
    let mut drawn = Vec::with_capacity(count.min(candidates.len()));
    while drawn.len() < count && !candidates.is_empty() {
        // Bonds are part of the supply, which fits 64 bits.
        let total = candidates
            .iter()
            .fold(0u64, |sum, (_, free)| sum.saturating_add(free.0));
        let mut ticket = stream.below(total);
        let winner = candidates.iter().position(|(_, free)| {
            let won = ticket < free.0;
            ticket = ticket.saturating_sub(free.0);
            won
        });
        drawn.push(candidates.remove(winner.unwrap_or(0)).0);
    }
    drawn
}

/// Draws with replacement, so that the chance to miss a share of bad segments is exactly
/// `(1 - share)^drawn`; segments drawn twice are replayed once.
fn draw_segments(stream: &mut Stream, order: &Order) -> Vec<SegmentIndex> {
    let segments = u64::from(order.terms.segments());
    let draw = |_| SegmentIndex(u32::try_from(stream.below(segments)).unwrap_or(0));
    let distinct: BTreeSet<_> = (0..order.terms.segments_drawn).map(draw).collect();
    distinct.into_iter().collect()
}
