//! Finding the providers, and their runs up to the moment when all are revealed.

use assay_crypto::Digest;
use assay_crypto::release::{LockKey, Release};

use super::close;
use super::compare::{compare, decided};
use super::life::LIFE;
use crate::files::must_be_kept;
use crate::orders::draw::Pools;
use crate::orders::escrow::Reward;
use crate::orders::life::Late;
use crate::orders::passage::{enter, resume};
use crate::orders::{asking, complaint, disputes, escrow, grants, judging, runs};
use crate::state::State;
use crate::{
    AccountId, BoundedVec, DeclineReason, FailureReason, FileId, Opening, Order, OrderEvent,
    OrderRefusal, Outcome, Phase, Place, Refusal, Role, Run, RunIndex, StepIndex, Trace,
};

/// Draws whom to ask for every copy that has no provider, no two of one owner, and none whose owner
/// had a run of this order before.
pub(super) fn draw(
    state: &mut State<'_>,
    order: &mut Order,
    pools: &mut Pools,
) -> Result<bool, Refusal> {
    let needed = missing(order);
    let requester = state.owner(&order.head.requester);
    let tried: Vec<(AccountId, AccountId)> = order
        .runs
        .iter()
        .map(|run| (run.provider, run.owner))
        .collect();
    asking::ask(state, order, pools, (Role::Provider, needed), |of| {
        // A node may have got another owner since its run was begun.
        let same = |(provider, owner): &(_, _)| *owner == of.owner || *provider == of.account;
        !of.belongs_to(requester) && !tried.iter().any(same)
    })
}

/// Begins the runs of those who accepted; where copies are still missing, others are asked.
pub(super) fn begin(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    for provider in asking::close(state, order)? {
        runs::begin(state, order, &provider)?;
    }
    match missing(order) {
        0 => enter(state, order, Phase::Taken),
        _ => resume(state, order, Phase::Posted),
    }
    Ok(())
}

/// Gives the runs their seed: from a beacon that nobody knew when the first provider accepted. All do
/// the same: what was drawn for the first holds for every other.
pub(super) fn seed(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let first = order.runs.iter().find_map(|run| run.seed);
    let new = || Run::seed(order.head.id, RunIndex(0), &state.context.beacon);
    let seed = first.unwrap_or_else(new);
    for run in order.runs.iter_mut().filter(|run| run.seed.is_none()) {
        run.seed = Some(seed);
    }
    enter(state, order, Phase::Assigned);
    Ok(true)
}

/// Whether the seed of the runs is known.
fn is_seeded(order: &Order) -> bool {
    order.runs.iter().any(|run| run.seed.is_some())
}

/// Copies without a run, as far as the order may still have others.
fn missing(order: &Order) -> usize {
    let terms = &order.head.terms;
    let left = terms.most_runs().saturating_sub(order.head.begun) as usize;
    usize::from(terms.copies)
        .saturating_sub(order.standing().count())
        .min(left)
}

/// Whether there is nothing to wait for: no two runs can be compared any more, and nobody has worked on one
/// that stands.
fn is_hopeless(order: &Order) -> bool {
    let works = order.head.phase == Phase::Running;
    let mut standing = order.standing();
    let worked = standing.any(|run| works || run.commitment.is_some());
    !worked && order.standing().count() + missing(order) < 2
}

/// Withdraws an order for which nobody has worked yet. Each that accepted gets the idle fee, and so does
/// the first in rank of those who are asked; the pot if none of them has accepted.
pub(super) fn cancel(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    if order.standing().any(|run| is_granted(state, order, run)) {
        return Err(OrderRefusal::AlreadyDone {
            order: order.head.id,
        }
        .into());
    }
    let waiting: Vec<_> = order.standing().map(|run| run.provider).collect();
    for provider in waiting {
        escrow::pay_idle(state, order, Some(provider))?;
    }
    if order.head.phase == Phase::Asked {
        let acceptor = asking::first_acceptor(order);
        escrow::pay_idle(state, order, acceptor)?;
    }
    close(state, order, Outcome::Withdrawn)
}

fn is_granted(state: &State<'_>, order: &Order, run: &Run) -> bool {
    let requester = order.head.requester;
    grants::granted(state, &order.work(run.index), requester, run.provider)
}

/// Lets the providers begin once each of them holds keys.
pub(super) fn advance(state: &mut State<'_>, order: &mut Order) {
    if order.standing().all(|run| is_granted(state, order, run)) {
        enter(state, order, Phase::Running);
    }
}

/// Gives a run back. Nobody looks whether keys or inputs are at fault, while the other copies go on; what
/// is the provider's own fault costs it the idle fee.
pub(super) fn decline(
    state: &mut State<'_>,
    order: &mut Order,
    provider: AccountId,
    reason: DeclineReason,
) -> Result<(), Refusal> {
    let run = own(order, provider, |run| run.commitment.is_none())?;
    state.emit(OrderEvent::Declined { provider, reason }.of(order.head.id));
    runs::fail(
        state,
        order,
        run,
        FailureReason::Declined(reason),
        Reward::default(),
    )?;
    go_on(state, order)
}

/// Commits a provider to its run without showing it.
pub(super) fn commit(
    state: &mut State<'_>,
    order: &mut Order,
    provider: AccountId,
    commitment: Digest,
) -> Result<(), Refusal> {
    let run = own(order, provider, |run| run.commitment.is_none())?;
    if let Some(run) = order.runs.get_mut(run.0 as usize) {
        run.commitment = Some(commitment);
    }
    state.emit(OrderEvent::RunCommitted { provider }.of(order.head.id));
    go_on(state, order)
}

/// Goes on once no run is under way any more: draws for copies that are missing, or has those that
/// are committed revealed, be it one alone: it is audited.
fn go_on(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    if is_hopeless(order) {
        return close(state, order, Outcome::NoCopies);
    }
    if order.standing().any(|run| run.commitment.is_none()) {
        return Ok(());
    }
    if missing(order) > 0 {
        enter(state, order, Phase::Posted);
        return Ok(());
    }
    show(state, order, Outcome::NoCopies)
}

/// Has the committed runs revealed if there are any; else ends the order.
fn show(state: &mut State<'_>, order: &mut Order, outcome: Outcome) -> Result<(), Refusal> {
    if order.standing().all(|run| run.commitment.is_none()) {
        return close(state, order, outcome);
    }
    enter(state, order, Phase::Revealing);
    Ok(())
}

/// Reveals a provider's run; after the last one they are compared.
pub(super) fn reveal(
    state: &mut State<'_>,
    order: &mut Order,
    (provider, place): (AccountId, &Place),
    (root, checkpoints, result): (&Digest, &BoundedVec<FileId, 1024>, &FileId),
    first_invalid: Option<StepIndex>,
    (lock, salt): (&LockKey, &Digest),
    openings: &BoundedVec<Opening, 2>,
) -> Result<(), Refusal> {
    let (id, at) = (order.head.id, state.now());
    let index = own(order, provider, |run| run.trace.is_none())?;
    let named = Trace::commitment(place, provider, (root, checkpoints, result), (lock, salt));
    let committed = order.run_at(index).and_then(|run| run.commitment);
    if committed != Some(named) {
        return Err(OrderRefusal::CommitmentMismatch { order: id }.into());
    }
    runs::check_lock(order, *lock)?;
    let expected = order.head.terms.segments();
    if checkpoints.len() != expected as usize {
        return Err(OrderRefusal::CheckpointCount {
            order: id,
            expected,
            found: checkpoints.len() as u32,
        }
        .into());
    }
    let kept_ms = state.chain.parameters.kept_ms;
    for file in checkpoints.iter().chain([result]) {
        must_be_kept(state, (*file, provider), kept_ms)?;
    }
    // Of the last leaf, whose path and place are checked below.
    let counts = openings.last().map(|last| last.reached.counts);
    let counts = counts.unwrap_or_default();
    runs::check_counts(order, &counts, first_invalid)?;
    if let Some(run) = order.runs.get_mut(index.0 as usize) {
        run.trace = Some(Trace {
            root: *root,
            checkpoints: checkpoints.to_vec(),
            result: *result,
            counts,
            first_invalid,
            lock: *lock,
            at,
        });
    }
    let expected = vec![StepIndex(0), StepIndex(order.head.terms.steps)];
    if !openings.iter().map(|opening| &opening.step).eq(&expected) {
        return Err(OrderRefusal::WrongOpenings {
            order: id,
            expected,
        }
        .into());
    }
    let opened = openings
        .iter()
        .map(|opening| disputes::opened(order, index, opening));
    let opened = opened.collect::<Result<Vec<_>, _>>()?;
    for opening in openings {
        complaint::note_last(state, order, index, opening)?;
    }
    if let Some(run) = order.runs.get_mut(index.0 as usize) {
        run.opened = opened;
    }
    let root = *root;
    state.emit(OrderEvent::TraceCommitted { provider, root }.of(id));
    if order.standing().all(|run| run.trace.is_some()) {
        compare(state, order)?;
    }
    Ok(())
}

/// Releases the key of a provider's states; after the last one the requester looks at the result.
pub(super) fn deliver(
    state: &mut State<'_>,
    order: &mut Order,
    provider: AccountId,
    release: &Release,
) -> Result<(), Refusal> {
    runs::deliver(state, order, provider, release)?;
    if order.standing().all(|run| run.released.is_some()) {
        delivered(state, order)?;
    }
    Ok(())
}

/// Goes on with the runs whose keys are released: any of them has the result.
fn delivered(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    if order.standing().next().is_none() {
        return close(state, order, Outcome::NoCopies);
    }
    enter(state, order, Phase::Accepted);
    Ok(())
}

/// The run of a provider, if it is as far as a move needs it.
fn own(
    order: &Order,
    provider: AccountId,
    open: impl Fn(&Run) -> bool,
) -> Result<RunIndex, Refusal> {
    let run = order.run_of(provider).filter(|run| open(run));
    let order = order.head.id;
    Ok(run.ok_or(OrderRefusal::AlreadyDone { order })?.index)
}

/// Ends the order's phase as its row says.
pub(super) fn late(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let row = LIFE.iter().find(|row| row.phase == order.head.phase);
    match row.map_or(Late::Over, |row| row.late) {
        // No row of its names them.
        Late::Over
        | Late::Seats(_)
        | Late::Validators
        | Late::Again
        | Late::Begins(_)
        | Late::Goes(_) => Ok(()),
        Late::Unjudged => {
            let decision = judging::unjudged(state, order);
            decided(state, order, decision)
        }
        Late::Unanswered => {
            asking::miss(state, order);
            begin(state, order)
        }
        // Others are committed: those who do it in place of the missing ones need no new seed.
        Late::Ends(_) if order.head.phase == Phase::Taken && is_seeded(order) => {
            seed(state, order).map(drop)
        }
        Late::Ends(outcome) => close(state, order, outcome),
        Late::Compares(outcome) if order.head.phase == Phase::Posted => {
            if order.standing().count() >= 2 && order.standing().any(|run| run.seed.is_none()) {
                enter(state, order, Phase::Taken);
                return Ok(());
            }
            show(state, order, outcome)
        }
        Late::Compares(outcome) => {
            let ungranted = indexes(order, |run| !is_granted(state, order, run));
            for run in ungranted {
                let provider = order.run_at(run).map(|run| run.provider);
                escrow::pay_idle(state, order, provider)?;
                runs::fail(
                    state,
                    order,
                    run,
                    FailureReason::NotGranted,
                    Reward::default(),
                )?;
            }
            if is_hopeless(order) {
                return close(state, order, outcome);
            }
            if order.standing().any(|run| run.commitment.is_none()) {
                // Others have keys already: what is left is theirs to do.
                enter(state, order, Phase::Running);
                return Ok(());
            }
            show(state, order, outcome)
        }
        Late::Fails(FailureReason::Withheld) if order.head.phase == Phase::Delivering => {
            for run in indexes(order, |run| run.released.is_none()) {
                runs::fail(
                    state,
                    order,
                    run,
                    FailureReason::Withheld,
                    Reward::default(),
                )?;
            }
            delivered(state, order)
        }
        Late::Fails(FailureReason::Withheld) => {
            for run in indexes(order, |run| run.trace.is_none()) {
                runs::fail(
                    state,
                    order,
                    run,
                    FailureReason::Withheld,
                    Reward::default(),
                )?;
            }
            compare(state, order)
        }
        Late::Fails(reason) => {
            for run in indexes(order, |run| run.commitment.is_none()) {
                runs::fail(state, order, run, reason, Reward::default())?;
            }
            go_on(state, order)
        }
        Late::Silence => {
            let decision = disputes::silence(state, order);
            decided(state, order, decision)
        }
    }
}

fn indexes(order: &Order, which: impl Fn(&Run) -> bool) -> Vec<RunIndex> {
    let standing = order.standing().filter(|run| which(run));
    standing.map(|run| run.index).collect()
}
