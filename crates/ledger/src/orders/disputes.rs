//! Disputes, for every procedure: opened, and narrowed down to one step, which the validators judge
//! ([`super::judging`]).

use assay_crypto::{Digest, merkle};

use super::passage::enter;
use crate::state::State;
use crate::{
    AccountId, Dispute, FailureReason, Leaf, Opening, Order, OrderEvent, OrderRefusal, Phase,
    Question, Refusal, RunIndex, SegmentIndex, StepIndex, Trace, Verdict,
};

/// What a dispute is opened with.
pub(super) struct Claim {
    pub(super) challenger: AccountId,
    pub(super) rival: Option<RunIndex>,
    pub(super) question: Question,
    pub(super) segment: SegmentIndex,
    pub(super) from: Leaf,
    pub(super) disputed: Leaf,
    pub(super) claimed: Option<Digest>,
}

/// How a dispute ended. Its procedure goes on from there.
#[derive(Clone, Debug)]
#[must_use]
pub(super) struct Decision {
    pub(super) verdict: Verdict,
    /// How the challenged provider failed, where it did.
    pub(super) reason: FailureReason,
    /// The validators that are paid for having found it.
    pub(super) judges: Vec<AccountId>,
}

/// Opens a dispute about a run, at the phase that can settle it.
pub(super) fn open(
    state: &mut State<'_>,
    order: &mut Order,
    run: RunIndex,
    claim: Claim,
) -> Result<(), Refusal> {
    let dispute = Dispute {
        number: order.head.disputed,
        run,
        challenger: claim.challenger,
        rival: claim.rival,
        question: claim.question,
        opened: state.now(),
        segment: claim.segment,
        from: claim.from,
        agreed: claim.from,
        segment_steps: order.head.terms.segment_steps,
        disputed: claim.disputed,
        claimed: claim.claimed,
        provider_move: None,
        challenger_move: None,
        named: Vec::new(),
        commitments: Vec::new(),
        closed: None,
        attestations: Vec::new(),
        verdict: None,
    };
    let disputed = OrderEvent::Disputed {
        run,
        challenger: dispute.challenger,
        question: dispute.question,
        segment: dispute.segment,
    };
    state.emit(disputed.of(order.head.id));
    let phase = match dispute.middle() {
        Some(_) => Phase::Bisecting,
        None => Phase::Attesting,
    };
    order.disputes.push(dispute);
    order.head.disputed = order.head.disputed.saturating_add(1);
    enter(state, order, phase);
    Ok(())
}

/// Asks the validators whether a provider that gives its run back could have begun it. Nobody's leaf is in
/// question: what they can compute the first leaf of, could be begun.
pub(super) fn doubt(
    state: &mut State<'_>,
    order: &mut Order,
    run: RunIndex,
) -> Result<(), Refusal> {
    let none = Leaf {
        step: StepIndex(0),
        leaf: Digest::ZERO,
    };
    let claim = Claim {
        challenger: order.head.requester,
        rival: None,
        question: Question::Beginning,
        segment: SegmentIndex(0),
        from: none,
        disputed: none,
        claimed: None,
    };
    open(state, order, run, claim)
}

/// Whether a party of the open dispute still has to state its leaf.
pub(super) fn has_to_bisect(order: &Order, account: AccountId) -> bool {
    order.dispute().is_some_and(|dispute| {
        let made = if challenged(order, dispute) == Some(account) {
            dispute.provider_move
        } else {
            dispute.challenger_move
        };
        made.is_none()
    })
}

fn challenged(order: &Order, dispute: &Dispute) -> Option<AccountId> {
    order.run_at(dispute.run).map(|run| run.provider)
}

/// States one party's leaf in the middle; when both are known, narrows the dispute to the half
/// in which they part.
pub(super) fn bisect(
    state: &mut State<'_>,
    order: &mut Order,
    sender: AccountId,
    (step, leaf): (StepIndex, Digest),
    path: Option<&merkle::Path>,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let done = || OrderRefusal::AlreadyDone { order: id };
    let dispute = order.dispute().ok_or_else(done)?;
    if !has_to_bisect(order, sender) || dispute.middle() != Some(step) {
        return Err(done().into());
    }
    let by_provider = challenged(order, dispute) == Some(sender);
    let committed = if by_provider {
        Some(dispute.run)
    } else {
        dispute.rival
    };
    if let Some(run) = committed {
        let path = path.cloned().unwrap_or_else(|| merkle::Path(Vec::new()));
        let trace = order.run_at(run).and_then(|run| run.trace.as_ref());
        check_path(order, trace, (step, leaf), &path)?;
    }
    let dispute = order.disputes.last_mut().ok_or_else(done)?;
    if by_provider {
        dispute.provider_move = Some(leaf);
    } else {
        dispute.challenger_move = Some(leaf);
    }
    if let (Some(provided), Some(challenged)) = (dispute.provider_move, dispute.challenger_move) {
        narrow(dispute, step, provided, challenged);
        let narrowed = OrderEvent::Narrowed {
            agreed: dispute.agreed.step,
            disputed: dispute.disputed.step,
        };
        let next = match dispute.middle() {
            Some(_) => Phase::Bisecting,
            None => Phase::Attesting,
        };
        state.emit(narrowed.of(id));
        enter(state, order, next);
    }
    Ok(())
}

fn narrow(dispute: &mut Dispute, step: StepIndex, provided: Digest, challenged: Digest) {
    let middle = Leaf {
        step,
        leaf: provided,
    };
    if provided == challenged {
        dispute.agreed = middle;
        let length = u64::from(dispute.segment_steps.max(1));
        if step.0.is_multiple_of(length) {
            // Both accept the state at a checkpoint: a replay can begin there.
            dispute.from = middle;
            dispute.segment = SegmentIndex(u32::try_from(step.0 / length).unwrap_or(u32::MAX));
        }
    } else {
        dispute.disputed = middle;
        dispute.claimed = Some(challenged);
    }
    dispute.provider_move = None;
    dispute.challenger_move = None;
}

/// Checks that the leaf's path leads to the root of a trace.
fn check_path(
    order: &Order,
    trace: Option<&Trace>,
    (step, leaf): (StepIndex, Digest),
    path: &merkle::Path,
) -> Result<(), Refusal> {
    let count = order.head.terms.steps.saturating_add(1);
    if trace.is_some_and(|trace| path.verify(&trace.root, step.0, count, &leaf)) {
        return Ok(());
    }
    let order = order.head.id;
    Err(OrderRefusal::BadPath { order, step }.into())
}

/// The opened leaf, if it lies under the root of the run's trace and so many steps can have come to
/// what it counts.
pub(super) fn opened(order: &Order, run: RunIndex, opening: &Opening) -> Result<Leaf, Refusal> {
    let trace = order.run_at(run).and_then(|run| run.trace.as_ref());
    opened_under(order, trace, opening)
}

/// The opened leaf, if it lies under the root of a trace of the order's steps and so many steps can have
/// come to what it counts.
pub(super) fn opened_under(
    order: &Order,
    trace: Option<&Trace>,
    opening: &Opening,
) -> Result<Leaf, Refusal> {
    let (step, leaf) = (opening.step, opening.leaf());
    check_path(order, trace, (step, leaf), &opening.path)?;
    match opening.reached.counts.fit(step, &order.head.terms.stop) {
        true => Ok(Leaf { step, leaf }),
        false => Err(other_counts(order, step)),
    }
}

/// What is said of a leaf whose counts cannot be.
pub(super) fn other_counts(order: &Order, step: StepIndex) -> Refusal {
    let order = order.head.id;
    OrderRefusal::OtherCounts { order, step }.into()
}

/// Ends the open dispute because a move was not made in time.
pub(super) fn silence(state: &mut State<'_>, order: &mut Order) -> Option<Decision> {
    let moves = order
        .dispute()
        .map(|dispute| (dispute.provider_move, dispute.challenger_move));
    let verdict = match moves {
        Some((Some(_), _)) => Verdict::Provider,
        Some((None, Some(_))) => Verdict::Challenger,
        _ => Verdict::Neither,
    };
    end(state, order, verdict, FailureReason::Silent, Vec::new())
}

/// Ends the open dispute, if there is one.
pub(super) fn end(
    state: &mut State<'_>,
    order: &mut Order,
    verdict: Verdict,
    reason: FailureReason,
    judges: Vec<AccountId>,
) -> Option<Decision> {
    let open = order.disputes.last_mut();
    open.filter(|last| last.verdict.is_none())?.verdict = Some(verdict);
    state.emit(OrderEvent::Decided { verdict }.of(order.head.id));
    Some(Decision {
        verdict,
        reason,
        judges,
    })
}
