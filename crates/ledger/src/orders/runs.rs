//! The life of a run: a provider takes it, and lets go or fails.

use assay_crypto::release::{LockKey, Release};

use super::escrow::{self, Locked, Reward};
use super::grants;
use crate::accounts::money;
use crate::state::State;
use crate::{
    AccountId, Amount, Counts, DeclineReason, Failure, FailureReason, Invited, Order, OrderEvent,
    OrderRefusal, Outcome, Refusal, Role, Run, RunIndex, Seat, SlashReason, StepIndex, Trace,
};

/// Begins a run of a provider that accepted; locks its bond.
pub(super) fn begin(
    state: &mut State<'_>,
    order: &mut Order,
    provider: &Invited,
) -> Result<(), Refusal> {
    let bond = order.head.terms.provider_bond;
    money::lock(state, Role::Provider, &provider.account, bond)?;
    let index = RunIndex(u32::try_from(order.runs.len()).unwrap_or(u32::MAX));
    order.runs.push(Run {
        index,
        provider: provider.account,
        owner: provider.owner,
        encryption_key: provider.encryption_key,
        bond,
        seed: None,
        at: state.now(),
        declined: None,
        commitment: None,
        trace: None,
        released: None,
        released_at: None,
        opened: Vec::new(),
        last: None,
        rounds: Vec::new(),
        last_resort: false,
        failed: None,
    });
    order.head.begun = index.0.saturating_add(1);
    let drawn = OrderEvent::ProviderDrawn {
        run: index,
        provider: provider.account,
    };
    state.emit(drawn.of(order.head.id));
    Ok(())
}

/// Ends a run without a result: cuts the provider's bond as `reason` demands, pays `rewarded` of it
/// and frees its auditors.
pub(super) fn fail(
    state: &mut State<'_>,
    order: &mut Order,
    index: RunIndex,
    reason: FailureReason,
    rewarded: Reward<'_>,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let run = order
        .run_at(index)
        .filter(|run| run.failed.is_none())
        .ok_or(OrderRefusal::AlreadyDone { order: id })?;
    let (provider, amount) = (run.provider, run.bond);
    let parameters = &state.chain.parameters;
    let cut = match reason {
        // It had the keys: to look at the inputs costs what it costs to keep somebody waiting.
        FailureReason::Declined(DeclineReason::Unable) | FailureReason::Unfounded => {
            order.head.terms.idle_fee(parameters).min(amount)
        }
        FailureReason::Declined(_) | FailureReason::NotGranted => Amount::ZERO,
        FailureReason::Late => parameters.late_rate.of(amount),
        FailureReason::Withheld
        | FailureReason::Silent
        | FailureReason::WrongResult
        | FailureReason::Unavailable => amount,
    };
    free_seats(state, run)?;
    let slashed = if cut == Amount::ZERO {
        money::unlock(state, Role::Provider, &provider, amount)?;
        Amount::ZERO
    } else {
        let locked = Locked {
            order: id,
            role: Role::Provider,
            account: provider,
            amount,
        };
        let reason = SlashReason::Provider(reason);
        escrow::slash(state, &locked, cut, reason, rewarded)?
    };
    let at = state.now();
    if let Some(run) = order.runs.get_mut(index.0 as usize) {
        run.failed = Some(Failure {
            reason,
            slashed,
            at,
        });
    }
    grants::forget(state, id, index);
    let failed = OrderEvent::RunFailed {
        run: index,
        provider,
        reason,
    };
    state.emit(failed.of(id));
    Ok(())
}

/// Frees the bonds of the providers and auditors of every run that stands.
pub(super) fn release(state: &mut State<'_>, order: &Order) -> Result<(), Refusal> {
    for run in order.standing() {
        // A trainer stays bound until it leaves.
        if order.head.audit_of.is_none() {
            money::unlock(state, Role::Provider, &run.provider, run.bond)?;
        }
        free_seats(state, run)?;
    }
    Ok(())
}

/// Frees the bond of every auditor of a run that kept it.
fn free_seats(state: &mut State<'_>, run: &Run) -> Result<(), Refusal> {
    let bonded = |seat: &&Seat| seat.stands() && seat.role == Role::Auditor;
    for seat in run.seats().filter(bonded) {
        money::unlock(state, seat.role, &seat.auditor, seat.bond)?;
    }
    Ok(())
}

/// Refuses a lock that locks nothing.
pub(super) fn check_lock(order: &Order, lock: LockKey) -> Result<(), Refusal> {
    lock.check().map_err(|bad| {
        let (order, problem) = (order.head.id, bad.to_string());
        OrderRefusal::BadLock { order, problem }.into()
    })
}

/// Takes the key of a provider's states for the requester, if it is the one that the provider is bound to.
pub(super) fn deliver(
    state: &mut State<'_>,
    order: &mut Order,
    provider: AccountId,
    release: &Release,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let undelivered = |run: &&Run| run.released.is_none();
    let run = order.run_of(provider).filter(undelivered);
    let run = run.ok_or(OrderRefusal::AlreadyDone { order: id })?.index;
    let use_of = Trace::locked_for(&order.work(run));
    let to = order.head.terms.delivery_key;
    let trace = order.run_at(run).and_then(|run| run.trace.as_ref());
    let proven = trace.is_some_and(|trace| release.verify(&use_of, &trace.lock, &to).is_ok());
    if !proven {
        return Err(OrderRefusal::BadRelease { order: id, run }.into());
    }
    let at = state.now();
    if let Some(run) = order.runs.get_mut(run.0 as usize) {
        run.released = Some(release.released);
        run.released_at = Some(at);
    }
    state.emit(OrderEvent::Delivered { provider }.of(id));
    Ok(())
}

/// Refuses counts that no run of the order can have, and a first invalid step that does not go with them.
pub(super) fn check_counts(
    order: &Order,
    counts: &Counts,
    first_invalid: Option<StepIndex>,
) -> Result<(), Refusal> {
    let terms = &order.head.terms;
    let possible = match first_invalid {
        Some(first) => counts.invalid > 0 && (1..=counts.worked()).contains(&first.0),
        None => counts.invalid == 0,
    };
    if possible && counts.fit(StepIndex(terms.steps), &terms.stop) {
        return Ok(());
    }
    Err(OrderRefusal::BadCounts {
        order: order.head.id,
        steps: terms.steps,
        worked: counts.worked(),
        idle: counts.idle,
        invalid: counts.invalid,
    }
    .into())
}

/// Pays a run for what it computed.
pub(super) fn pay(
    state: &mut State<'_>,
    order: &mut Order,
    index: RunIndex,
) -> Result<(), Refusal> {
    let Some(run) = order.run_at(index) else {
        return Ok(());
    };
    let Some(trace) = &run.trace else {
        return Ok(());
    };
    let setup = state.chain.parameters.setup_rate;
    let (provider, earned) = (run.provider, order.head.terms.earned(&trace.counts, setup));
    escrow::pay_from_escrow(state, order, provider, earned)
}

/// How an order ends whose accepted runs are paid: with a result, or with a run that was given up or of
/// which there was nothing to compute.
pub(super) fn paid(order: &Order) -> Outcome {
    let rule = &order.head.terms.stop;
    let trace = order.result_run().and_then(|run| run.trace.as_ref());
    let nothing = |counts: &Counts| counts.has_failed(rule) || counts.worked() == 0;
    if trace.is_some_and(|trace| nothing(&trace.counts)) {
        return Outcome::Failed;
    }
    Outcome::Paid
}
