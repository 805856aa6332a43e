//! Drawing the provider, and its run up to the commitment.

use std::collections::BTreeSet;

use assay_crypto::Digest;

use super::fail;
use crate::files::must_be_recorded;
use crate::orders::draw::{self, Candidate, Pools};
use crate::orders::passage::enter;
use crate::orders::runs;
use crate::state::State;
use crate::{
    AccountId, BoundedVec, Counts, DeclineReason, FailureReason, FileId, Order, OrderEvent,
    OrderRefusal, Phase, Refusal, Role, Run, StepIndex, Trace,
};

/// Draws a provider that has not failed this order, where its run could be audited.
pub(super) fn draw(
    state: &mut State<'_>,
    order: &mut Order,
    pools: &mut Pools,
) -> Result<bool, Refusal> {
    let mut stream = draw::stream(state, order, "provider");
    let bond = (Role::Provider, order.head.terms.provider_bond);
    let requester = state.owner(&order.head.requester);
    let auditor = (Role::Auditor, order.head.terms.auditor_bond);
    let auditors = pools.owners(state, auditor, |of| !of.belongs_to(requester));
    let seats = usize::from(order.head.terms.auditors);
    // No two of one draw have one owner, and none the provider's.
    let audited = |by: &Candidate| {
        let own = [by.account, by.owner];
        let own = BTreeSet::from(own).intersection(&auditors).count();
        auditors.len() - own >= seats
    };
    let drawn = pools.draw(state, bond, &mut stream, (1, 1), |of| {
        let tried = || order.runs.iter().any(|run| run.provider == of.account);
        !of.belongs_to(requester) && !tried() && audited(of)
    });
    let Some(provider) = drawn.first() else {
        return Ok(false);
    };
    let seed = Run::seed(order.head.id, order.next_run(), &state.context.beacon);
    runs::begin(state, order, provider, seed)?;
    enter(state, order, Phase::Assigned);
    Ok(true)
}

/// Gives an order back that cannot be done as posted. Nobody is punished: the ledger cannot see
/// which of the two is at fault.
pub(super) fn decline(
    state: &mut State<'_>,
    order: &mut Order,
    provider: AccountId,
    reason: DeclineReason,
) -> Result<(), Refusal> {
    state.emit(OrderEvent::Declined { provider, reason }.of(order.head.id));
    fail(state, order, FailureReason::Declined(reason), &[])
}

/// Commits the provider to its run.
pub(super) fn commit(
    state: &mut State<'_>,
    order: &mut Order,
    (root, checkpoints, result): (Digest, &BoundedVec<FileId, 1024>, FileId),
    (counts, first_invalid): (Counts, Option<StepIndex>),
) -> Result<(), Refusal> {
    let (id, at) = (order.head.id, state.now());
    let expected = order.head.terms.segments();
    if checkpoints.len() != expected as usize {
        return Err(OrderRefusal::CheckpointCount {
            order: id,
            expected,
            found: checkpoints.len() as u32,
        }
        .into());
    }
    runs::check_counts(order, &counts)?;
    let possible = match first_invalid {
        Some(first) => counts.invalid > 0 && (1..=counts.worked()).contains(&first.0),
        None => counts.invalid == 0,
    };
    if !possible {
        return Err(runs::bad_counts(order, &counts));
    }
    let Some(run) = order.run_mut() else {
        return Ok(());
    };
    let provider = run.provider;
    for file in checkpoints.iter().chain([&result]) {
        must_be_recorded(state, *file, provider)?;
    }
    run.trace = Some(Trace {
        root,
        checkpoints: checkpoints.to_vec(),
        result,
        counts,
        first_invalid,
        at,
    });
    state.emit(OrderEvent::TraceCommitted { provider, root }.of(id));
    enter(state, order, Phase::Committed);
    Ok(())
}
