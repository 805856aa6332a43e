//! Validators that audit where auditors cannot be had.
//!
//! Once a provider has committed to its run, nothing but a finding against it gives the requester its
//! money back: the work is done by then. So where there are too few auditors, or too many of them fall
//! silent, validators sit in their place, in the same way: drawn by the beacon, but not asked, with sealed
//! answers that are revealed when all are in.

use crate::orders::draw::Candidate;
use crate::orders::passage::enter;
use crate::state::State;
use crate::{AccountId, Amount, Order, Phase, ProcedureName, Refusal, Role, Seat};

/// Most validators that sit in one audit. Where a third of all lie, eight that are drawn lie together
/// with a chance of less than one in 6,500.
const MOST: usize = 8;

/// Validators whose reveals must stand: one more than can be liars, and at most [`MOST`].
pub(super) fn needed(state: &State<'_>) -> usize {
    let liars = state.chain.liars();
    MOST.min(liars + 1)
}

/// Whether somebody may sit in an audit of the run under way, in any role: neither side of the order,
/// nobody that one of them owns, and nobody that sat in the run before.
pub(super) fn may_sit(state: &State<'_>, order: &Order) -> impl Fn(&Candidate) -> bool + use<> {
    let run = order.run();
    let seated: Vec<AccountId> = run
        .into_iter()
        .flat_map(|run| run.seats())
        .map(|seat| seat.auditor)
        .collect();
    // Who owned the provider when it accepted, and who does now.
    let provider = run.map(|run| [run.provider, run.owner, state.owner(&run.provider)]);
    // The trainer whose steps are audited is its own requester; who posted the rounds sits neither.
    let audit_of = order.head.audit_of.as_ref();
    let posted = audit_of.map_or(order.head.requester, |of| of.requester);
    let requesters = [posted, order.head.requester].map(|of| state.owner(&of));
    move |of| {
        let mut sides = provider.iter().flatten().chain(&requesters);
        !sides.any(|side| of.belongs_to(*side)) && !seated.contains(&of.account)
    }
}

/// Has validators drawn for the seats that are empty. With none left to ask the run is accepted: no
/// finding speaks against it.
pub(super) fn call(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    if let Some(run) = order.run_mut() {
        run.last_resort = true;
    }
    let rounds = order.run().map_or(0, |run| run.rounds.len());
    let most = 2 * usize::from(state.chain.parameters.max_rounds);
    let may = may_sit(state, order);
    let left = state.candidates(Role::Validator).iter().any(may);
    // Auditors that have taken a seat audit, whoever else does.
    let waits = order.run().is_some_and(|run| run.unfilled().is_some());
    if (left || waits) && rounds < most {
        enter(state, order, Phase::Committed);
        return Ok(());
    }
    super::stands(state, order)
}

/// What everybody whose reveal stands gets: auditors their fee, and validators equal parts of the fees
/// that are left, each at most one fee. Where they audit a copy that was left alone, they share the price of
/// one that is missing: they do what it was for.
pub(super) fn fees(order: &Order) -> Vec<(AccountId, Amount)> {
    let terms = &order.head.terms;
    let passed = || order.run().into_iter().flat_map(|run| run.passed());
    let sit = |role: Role| passed().filter(move |seat: &&Seat| seat.role == role);
    let fee = terms.auditor_fee.0;
    let auditors = sit(Role::Auditor).count() as u64;
    let (left, most) = match ProcedureName::of(terms) {
        ProcedureName::Traced | ProcedureName::Rounds | ProcedureName::Contest => {
            let empty = u64::from(terms.auditors).saturating_sub(auditors);
            (fee.saturating_mul(empty), fee)
        }
        ProcedureName::Redundant => (terms.price.0, terms.price.0),
    };
    let share = left.checked_div(sit(Role::Validator).count() as u64);
    let share = share.unwrap_or(0).min(most);
    let paid = |seat: &Seat| match seat.role {
        Role::Auditor => fee,
        _ => share,
    };
    passed()
        .map(|seat| (seat.auditor, Amount(paid(seat))))
        .collect()
}
