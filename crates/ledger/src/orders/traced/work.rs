//! Finding the provider, and its run up to the commitment.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_crypto::release::LockKey;

use super::{close, fail};
use crate::files::must_be_kept;
use crate::orders::draw::{Candidate, Pools};
use crate::orders::escrow::Reward;
use crate::orders::passage::{enter, resume};
use crate::orders::{asking, disputes, escrow, runs};
use crate::state::State;
use crate::{
    AccountId, BoundedVec, Counts, DeclineReason, FailureReason, FileId, Order, OrderEvent,
    OrderRefusal, Outcome, Phase, Refusal, Role, Run, StepIndex, Trace,
};

/// Draws whom to ask, of those who have not failed this order and whose run could be audited.
pub(super) fn draw(
    state: &mut State<'_>,
    order: &mut Order,
    pools: &mut Pools,
) -> Result<bool, Refusal> {
    let requester = state.owner(&order.head.requester);
    let tried: BTreeSet<_> = order.runs.iter().map(|run| run.provider).collect();
    let terms = &order.head.terms;
    let seats = usize::from(terms.auditors);
    if seats > 0 && pools.share(state, terms) < state.chain.parameters.min_share {
        return Ok(false);
    }
    // No two of one audit have one owner, and none the provider's: two more than the seats are enough
    // whoever it is.
    let enough = seats.saturating_add(2);
    let auditors = pools.owners(state, (Role::Auditor, terms), enough, |of| {
        !of.belongs_to(requester)
    });
    let audited = move |by: &Candidate| {
        let own = [by.account, by.owner];
        let own = BTreeSet::from(own).intersection(&auditors).count();
        auditors.len() - own >= seats
    };
    asking::ask(state, order, pools, (Role::Provider, 1), |of| {
        !of.belongs_to(requester) && !tried.contains(&of.account) && audited(of)
    })
}

/// Begins the run of the first in rank that accepted; where nobody has, others are asked.
pub(super) fn begin(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let accepted = asking::close(state, order)?;
    let Some(provider) = accepted.first() else {
        resume(state, order, Phase::Posted);
        return Ok(());
    };
    runs::begin(state, order, provider)?;
    enter(state, order, Phase::Taken);
    Ok(())
}

/// Gives the run its seed: from a beacon that nobody knew when its provider accepted.
pub(super) fn seed(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let (id, beacon) = (order.head.id, state.context.beacon);
    let Some(run) = order.run_mut() else {
        return Ok(false);
    };
    run.seed = Some(Run::seed(id, run.index, &beacon));
    enter(state, order, Phase::Assigned);
    Ok(true)
}

/// Withdraws an order before its provider has keys. Once somebody was asked that costs the idle fee:
/// otherwise a requester could look whom the beacon gives it and post again until it likes them.
pub(super) fn cancel(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    if order.head.phase != Phase::Posted {
        let acceptor = order.provider().or(asking::first_acceptor(order));
        escrow::pay_idle(state, order, acceptor)?;
    }
    close(state, order, Outcome::Withdrawn)
}

/// Gives a run back. Its provider has seen the keys, so that costs it the idle fee; but where it says that
/// with these keys and inputs nobody can begin, the validators look for themselves first.
pub(super) fn decline(
    state: &mut State<'_>,
    order: &mut Order,
    provider: AccountId,
    reason: DeclineReason,
) -> Result<(), Refusal> {
    state.emit(OrderEvent::Declined { provider, reason }.of(order.head.id));
    match reason {
        DeclineReason::Unable => fail(
            state,
            order,
            FailureReason::Declined(reason),
            Reward::default(),
        ),
        DeclineReason::Keys | DeclineReason::Inputs => {
            let run = order.attempt();
            if let Some(run) = order.run_mut() {
                run.declined = Some(reason);
            }
            disputes::doubt(state, order, run)
        }
    }
}

/// Commits the provider to its run.
pub(super) fn commit(
    state: &mut State<'_>,
    order: &mut Order,
    (root, checkpoints, result): (Digest, &BoundedVec<FileId, 1024>, FileId),
    (counts, first_invalid): (Counts, Option<StepIndex>),
    lock: LockKey,
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
    runs::check_lock(order, lock)?;
    runs::check_counts(order, &counts, first_invalid)?;
    let Some(run) = order.run_mut() else {
        return Ok(());
    };
    let provider = run.provider;
    let kept_ms = state.chain.parameters.kept_ms;
    for file in checkpoints.iter().chain([&result]) {
        must_be_kept(state, (*file, provider), kept_ms)?;
    }
    run.trace = Some(Trace {
        root,
        checkpoints: checkpoints.to_vec(),
        result,
        counts,
        first_invalid,
        lock,
        at,
    });
    state.emit(OrderEvent::TraceCommitted { provider, root }.of(id));
    enter(state, order, Phase::Committed);
    Ok(())
}
