//! Comparing revealed runs, and what follows from a verdict on a difference.

use super::close;
use crate::orders::disputes::{self, Claim, Decision};
use crate::orders::escrow::Reward;
use crate::orders::passage::enter;
use crate::orders::traced::audit_alone;
use crate::orders::{escrow, runs};
use crate::state::State;
use crate::{
    AccountId, FailureReason, Leaf, Order, Outcome, Phase, Question, Refusal, Run, RunIndex,
    SegmentIndex, StepIndex, Verdict,
};

/// Compares the runs that stand. The first that differs from the one before it is disputed; when
/// all agree, or one alone is left that a verdict found right, the result is accepted. One alone that was
/// compared with none is audited by validators: it was committed to like the others, and did not choose
/// what became of them.
pub(super) fn compare(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let end = StepIndex(order.head.terms.steps);
    let standing: Vec<&Run> = order.standing().collect();
    let pairs = standing.iter().zip(standing.iter().skip(1));
    let difference = pairs
        .filter(|(run, rival)| !is_undecided(order, run, rival))
        .map(|(run, rival)| (run.index, difference(run, rival, end)))
        .find_map(|(run, claim)| Some((run, claim?)));
    if let Some((run, claim)) = difference {
        return disputes::open(state, order, run, claim);
    }
    let judged = |run: &Run| {
        let mut disputes = order.disputes_of(run.index);
        disputes.any(|dispute| match dispute.verdict {
            Some(Verdict::Provider) => dispute.run == run.index,
            Some(Verdict::Challenger) => dispute.rival == Some(run.index),
            _ => false,
        })
    };
    match standing.as_slice() {
        [] => close(state, order, Outcome::NoCopies),
        [alone] if !judged(alone) => {
            let alone = alone.index;
            audit_alone(state, order, alone)
        }
        _ => {
            enter(state, order, Phase::Delivering);
            Ok(())
        }
    }
}

/// Whether two runs differ and the validators came to no verdict about it: nobody was shown to be wrong, so
/// neither's work is lost. Whoever sets the validators too short a time pays for both.
fn is_undecided(order: &Order, run: &Run, rival: &Run) -> bool {
    let mut disputes = order.disputes_of(run.index);
    disputes.any(|dispute| {
        dispute.run == run.index
            && dispute.rival == Some(rival.index)
            && dispute.verdict == Some(Verdict::None)
    })
}

/// The first thing in which two runs differ: the state they begin with, or the one they end with.
fn difference(run: &Run, rival: &Run, end: StepIndex) -> Option<Claim> {
    let at = |run: &Run, step| run.opened(step).map(|leaf| Leaf { step, leaf });
    let claim = |question, from, disputed, claimed: Leaf| Claim {
        challenger: rival.provider,
        rival: Some(rival.index),
        question,
        segment: SegmentIndex(0),
        from,
        disputed,
        claimed: Some(claimed.leaf),
    };
    let start = StepIndex(0);
    let (first, theirs) = (at(run, start)?, at(rival, start)?);
    if first != theirs {
        return Some(claim(Question::Initial, first, first, theirs));
    }
    let (last, theirs) = (at(run, end)?, at(rival, end)?);
    (last != theirs).then(|| claim(Question::Step, first, last, theirs))
}

/// Goes on from a dispute that has its verdict; does nothing while it has none.
pub(super) fn decided(
    state: &mut State<'_>,
    order: &mut Order,
    decision: Option<Decision>,
) -> Result<(), Refusal> {
    let (Some(decision), Some(dispute)) = (decision, order.disputes.last().cloned()) else {
        return Ok(());
    };
    let Some(rival) = dispute.rival else {
        return complained(state, order, dispute.run, &decision);
    };
    let Decision {
        verdict,
        reason,
        judges,
    } = decision;
    let provider: Vec<AccountId> = order
        .run_at(dispute.run)
        .map(|run| run.provider)
        .into_iter()
        .collect();
    let challenger = [dispute.challenger];
    let right = match verdict {
        Verdict::Provider => &provider[..],
        Verdict::Challenger => &challenger,
        Verdict::Neither | Verdict::None => &[],
    };
    let judges = &judges;
    let rewarded = Reward { right, judges };
    match verdict {
        Verdict::None => {}
        Verdict::Provider => runs::fail(state, order, rival, reason, rewarded)?,
        Verdict::Challenger | Verdict::Neither => {
            runs::fail(state, order, dispute.run, reason, rewarded)?;
        }
    }
    if verdict == Verdict::Neither {
        runs::fail(state, order, rival, reason, Reward::default())?;
    }
    compare(state, order)
}

/// Goes on from a complaint about the delivered result. Who complains has to be shown right: without
/// a verdict the work is paid.
fn complained(
    state: &mut State<'_>,
    order: &mut Order,
    run: RunIndex,
    decision: &Decision,
) -> Result<(), Refusal> {
    let Decision {
        verdict,
        reason,
        judges,
    } = decision;
    let right = matches!(verdict, Verdict::Provider | Verdict::None);
    let requester = order.head.requester;
    let provider = order.run_at(run).map(|run| run.provider);
    if right {
        escrow::pay_deposit(state, order, provider.unwrap_or(requester), judges)?;
        return close(state, order, Outcome::Paid);
    }
    escrow::pay_deposit(state, order, requester, &[])?;
    let right = &[];
    without(state, order, run, *reason, Reward { right, judges })
}

/// Goes on from a result of which it was shown that it is another one than was compared.
pub(super) fn contradicted(
    state: &mut State<'_>,
    order: &mut Order,
    run: RunIndex,
) -> Result<(), Refusal> {
    let reason = FailureReason::WrongResult;
    without(state, order, run, reason, Reward::default())
}

/// Goes on without a run whose result was no good.
fn without(
    state: &mut State<'_>,
    order: &mut Order,
    run: RunIndex,
    reason: FailureReason,
    rewarded: Reward<'_>,
) -> Result<(), Refusal> {
    runs::fail(state, order, run, reason, rewarded)?;
    // The others committed to the same state: theirs may be delivered.
    if order.standing().next().is_some() {
        enter(state, order, Phase::Accepted);
        return Ok(());
    }
    close(state, order, Outcome::NoCopies)
}
