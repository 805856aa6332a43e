//! The procedure of a job that one provider does, leaving a trace: auditors replay drawn segments
//! of it, and what they dispute the validators replay.

mod audit;
mod late;
mod resolve;
mod work;

use super::draw::Pools;
use super::life::{Late, Mover, Row, Span, allowed, awaited, over};
use super::procedure::Procedure;
use super::rules::{TermsProblem, outside};
use super::{disputes, enter, escrow, finish, grants, runs};
use crate::state::State;
use crate::{
    AccountId, FailureReason, Order, OrderCall, Outcome, Phase, Place, Refusal, SlashReason, Terms,
    Verdict,
};

/// One provider at a time, audited.
pub(crate) struct Traced;

/// Its phases.
pub(crate) const LIFE: &[Row] = &[
    Row {
        phase: Phase::Posted,
        deadline: Some(Span::Assign),
        moves: &[allowed("cancel_order", Mover::Requester)],
        next: &[Phase::Assigned, Phase::Cancelled, Phase::Refunded],
        late: Late::Ends(Outcome::NoProvider),
    },
    Row {
        phase: Phase::Assigned,
        deadline: Some(Span::Grant),
        moves: &[
            awaited("grant", Mover::Requester),
            allowed("cancel_order", Mover::Requester),
        ],
        next: &[Phase::Running, Phase::Cancelled, Phase::Refunded],
        late: Late::Ends(Outcome::NotGranted),
    },
    Row {
        phase: Phase::Running,
        deadline: Some(Span::Run),
        moves: &[
            awaited("commit_trace", Mover::Provider),
            awaited("decline", Mover::Provider),
        ],
        next: &[Phase::Committed, Phase::Posted, Phase::Refunded],
        late: Late::Fails(FailureReason::Late),
    },
    Row {
        phase: Phase::Committed,
        deadline: Some(Span::Assign),
        moves: &[],
        next: &[Phase::Opening, Phase::Refunded],
        late: Late::Ends(Outcome::NoAuditors),
    },
    Row {
        phase: Phase::Opening,
        deadline: Some(Span::Open),
        moves: &[
            awaited("open_starts", Mover::Provider),
            awaited("grant", Mover::Provider),
            allowed("grant", Mover::Requester),
        ],
        next: &[Phase::Auditing, Phase::Posted, Phase::Refunded],
        late: Late::Fails(FailureReason::Withheld),
    },
    Row {
        phase: Phase::Auditing,
        deadline: Some(Span::Audit),
        moves: &[
            awaited("commit_audit", Mover::Auditors),
            allowed("grant", Mover::Requester),
        ],
        next: &[Phase::Closing, Phase::Committed, Phase::Refunded],
        late: Late::Seats(SlashReason::NoCommitment),
    },
    Row {
        phase: Phase::Closing,
        deadline: Some(Span::Open),
        moves: &[awaited("open_ends", Mover::Provider)],
        next: &[Phase::Revealing, Phase::Posted, Phase::Refunded],
        late: Late::Fails(FailureReason::Withheld),
    },
    Row {
        phase: Phase::Revealing,
        deadline: Some(Span::Reveal),
        moves: &[awaited("reveal_audit", Mover::Auditors)],
        next: &[
            Phase::Accepted,
            Phase::Bisecting,
            Phase::Attesting,
            Phase::Committed,
            Phase::Refunded,
        ],
        late: Late::Seats(SlashReason::NoReveal),
    },
    Row {
        phase: Phase::Bisecting,
        deadline: Some(Span::Dispute),
        moves: &[
            awaited("bisect", Mover::Disputants),
            awaited("grant", Mover::Holders),
        ],
        next: &[
            Phase::Attesting,
            Phase::Bisecting,
            Phase::Committed,
            Phase::Posted,
            Phase::Refunded,
        ],
        late: Late::Silence,
    },
    Row {
        phase: Phase::Attesting,
        deadline: Some(Span::Attest),
        moves: &[
            awaited("attest", Mover::Validators),
            awaited("grant", Mover::Holders),
        ],
        next: &[
            Phase::Posted,
            Phase::Settled,
            Phase::Committed,
            Phase::Bisecting,
            Phase::Attesting,
            Phase::Refunded,
        ],
        late: Late::Ends(Outcome::NoVerdict),
    },
    Row {
        phase: Phase::Accepted,
        deadline: Some(Span::Complain),
        moves: &[
            awaited("accept", Mover::Requester),
            awaited("complain", Mover::Requester),
        ],
        next: &[Phase::Settled, Phase::Attesting],
        late: Late::Ends(Outcome::Paid),
    },
    over(Phase::Settled),
    over(Phase::Cancelled),
    over(Phase::Refunded),
];

impl Procedure for Traced {
    fn problems(&self, terms: &Terms) -> Vec<TermsProblem> {
        let drawn = u64::from(terms.segments_drawn);
        let auditors = u64::from(terms.auditors);
        outside([
            (
                "segments_drawn",
                "segments_drawn",
                drawn,
                Terms::MAX_DRAWN.into(),
            ),
            ("auditors", "auditors", auditors, Terms::MAX_AUDITORS.into()),
        ])
    }

    fn life(&self) -> &'static [Row] {
        LIFE
    }

    fn place(&self, order: &Order, _from: AccountId, _call: &OrderCall) -> Option<Place> {
        match order.head.phase {
            Phase::Assigned | Phase::Running => Some(order.work(order.run()?.index)),
            Phase::Opening | Phase::Auditing | Phase::Closing | Phase::Revealing => {
                order.round_place()
            }
            Phase::Bisecting | Phase::Attesting => order.dispute_place(),
            _ => None,
        }
    }

    fn is_open(&self, order: &Order, from: AccountId, call: &OrderCall) -> bool {
        let round = order.round();
        let seat = order.seat(from);
        match call {
            OrderCall::OpenStarts { .. } => round.is_some_and(|round| round.starts.is_empty()),
            OrderCall::CommitAudit { .. } => seat.is_some_and(|seat| seat.commitment.is_none()),
            OrderCall::RevealAudit { .. } => {
                seat.is_some_and(|seat| seat.commitment.is_some() && seat.results.is_none())
            }
            OrderCall::Bisect { .. } => disputes::has_to_bisect(order, from),
            OrderCall::Attest { .. } => disputes::has_to_attest(order, from),
            _ => true,
        }
    }

    fn make(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        from: AccountId,
        call: &OrderCall,
    ) -> Result<(), Refusal> {
        match call {
            // It is posted before there is an order to move in.
            OrderCall::Post(_) => Ok(()),
            OrderCall::Cancel { .. } => close(state, order, Outcome::Withdrawn),
            OrderCall::Accept { .. } => close(state, order, Outcome::Paid),
            OrderCall::Complain { .. } => disputes::complain(state, order),
            OrderCall::Grant {
                place,
                grantee,
                sealed,
            } => {
                grants::grant(state, order, from, (*place, *grantee), sealed)?;
                match order.head.phase {
                    Phase::Assigned => enter(state, order, Phase::Running),
                    Phase::Opening => audit::advance_opening(state, order),
                    _ => {}
                }
                Ok(())
            }
            OrderCall::Decline { reason, .. } => work::decline(state, order, from, *reason),
            OrderCall::CommitTrace {
                root,
                checkpoints,
                result,
                ..
            } => work::commit(state, order, (*root, checkpoints, *result)),
            // No row of its names them.
            OrderCall::CommitRun { .. } | OrderCall::RevealRun { .. } => Ok(()),
            OrderCall::OpenStarts { openings, .. } => audit::open_starts(state, order, openings),
            OrderCall::CommitAudit { commitment, .. } => {
                audit::commit(state, order, from, *commitment)
            }
            OrderCall::OpenEnds { openings, .. } => audit::open_ends(state, order, openings),
            OrderCall::RevealAudit {
                place,
                results,
                salt,
            } => audit::reveal(state, order, (from, place), results, salt),
            OrderCall::Bisect {
                step, leaf, path, ..
            } => disputes::bisect(state, order, from, (*step, *leaf), path.as_ref()),
            OrderCall::Attest { leaf, .. } => disputes::attest(state, order, from, *leaf),
        }
    }

    fn may_be_granted(&self, order: &Order, validators: &[AccountId], to: AccountId) -> bool {
        match order.head.phase {
            Phase::Assigned => order.provider() == Some(to),
            Phase::Opening | Phase::Auditing => order.seat(to).is_some_and(|seat| !seat.slashed),
            _ => validators.binary_search(&to).is_ok(),
        }
    }

    fn late(&self, state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
        late::pass(state, order)
    }

    fn draw(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        pools: &mut Pools,
    ) -> Result<bool, Refusal> {
        match order.head.phase {
            Phase::Posted => work::draw(state, order, pools),
            Phase::Committed => audit::draw(state, order, pools),
            _ => Ok(false),
        }
    }

    fn decided(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        verdict: Verdict,
        reason: FailureReason,
    ) -> Result<(), Refusal> {
        resolve::decided(state, order, verdict, reason)
    }
}

/// Ends the run without a result, and posts the order again or refunds it.
fn fail(
    state: &mut State<'_>,
    order: &mut Order,
    reason: FailureReason,
    rewarded: &[AccountId],
) -> Result<(), Refusal> {
    let run = order.attempt();
    runs::fail(state, order, run, reason, rewarded)?;
    if order.head.begun < u32::from(order.head.terms.attempts) {
        enter(state, order, Phase::Posted);
        Ok(())
    } else {
        close(state, order, Outcome::AttemptsUsed)
    }
}

/// Ends an order: pays who is to be paid, frees every bond, and returns what is left to the
/// requester.
fn close(state: &mut State<'_>, order: &mut Order, outcome: Outcome) -> Result<(), Refusal> {
    if outcome == Outcome::Paid
        && let Some(provider) = order.provider()
    {
        let price = order.head.terms.price;
        escrow::pay_from_escrow(state, order, provider, price)?;
    }
    if matches!(outcome, Outcome::Paid | Outcome::NoAuditors) {
        let passed = order.run().into_iter().flat_map(|run| run.passed());
        let passed: Vec<_> = passed.map(|seat| seat.auditor).collect();
        for auditor in passed {
            let fee = order.head.terms.auditor_fee;
            escrow::pay_from_escrow(state, order, auditor, fee)?;
        }
    }
    runs::release(state, order)?;
    finish(state, order, outcome)
}
