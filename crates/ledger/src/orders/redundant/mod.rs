//! The procedure of a job that several providers do, each without seeing the others' results: they
//! commit, reveal, and are compared bit for bit. No difference is voted on: it is narrowed down to
//! one step, which the validators replay.

mod compare;
mod work;

use super::draw::Pools;
use super::life::{Late, Mover, Row, Span, allowed, awaited, over};
use super::procedure::Procedure;
use super::rules::TermsProblem;
use super::{disputes, escrow, finish, grants, runs};
use crate::state::State;
use crate::{
    AccountId, FailureReason, Order, OrderCall, Outcome, Phase, Place, Refusal, Terms, Verdict,
};

/// Several providers at a time, compared.
pub(crate) struct Redundant;

/// Its phases.
pub(crate) const LIFE: &[Row] = &[
    Row {
        phase: Phase::Posted,
        deadline: Some(Span::Assign),
        moves: &[allowed("cancel_order", Mover::Requester)],
        next: &[
            Phase::Assigned,
            Phase::Revealing,
            Phase::Cancelled,
            Phase::Refunded,
        ],
        late: Late::Compares(Outcome::NoProvider),
    },
    Row {
        phase: Phase::Assigned,
        deadline: Some(Span::Grant),
        moves: &[
            awaited("grant", Mover::Requester),
            allowed("cancel_order", Mover::Requester),
        ],
        next: &[
            Phase::Running,
            Phase::Revealing,
            Phase::Cancelled,
            Phase::Refunded,
        ],
        late: Late::Compares(Outcome::NotGranted),
    },
    Row {
        phase: Phase::Running,
        deadline: Some(Span::Run),
        moves: &[
            awaited("commit_run", Mover::Provider),
            awaited("decline", Mover::Provider),
        ],
        next: &[Phase::Revealing, Phase::Posted, Phase::Refunded],
        late: Late::Fails(FailureReason::Late),
    },
    Row {
        phase: Phase::Revealing,
        deadline: Some(Span::Reveal),
        moves: &[awaited("reveal_run", Mover::Provider)],
        next: &[
            Phase::Accepted,
            Phase::Bisecting,
            Phase::Attesting,
            Phase::Refunded,
        ],
        late: Late::Fails(FailureReason::Withheld),
    },
    Row {
        phase: Phase::Bisecting,
        deadline: Some(Span::Dispute),
        moves: &[
            awaited("bisect", Mover::Disputants),
            awaited("grant", Mover::Holders),
        ],
        next: &[
            Phase::Bisecting,
            Phase::Attesting,
            Phase::Accepted,
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
            Phase::Accepted,
            Phase::Bisecting,
            Phase::Attesting,
            Phase::Settled,
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

impl Procedure for Redundant {
    fn problems(&self, terms: &Terms) -> Vec<TermsProblem> {
        let none: [(&'static str, u64); 3] = [
            ("auditors", terms.auditors.into()),
            ("segments_drawn", terms.segments_drawn.into()),
            ("auditor_fee", terms.auditor_fee.0),
        ];
        let some = none.into_iter().filter(|(_, value)| *value > 0);
        some.map(|(field, _)| TermsProblem {
            field,
            text: format!(
                "{field} must be 0 with {} copies: they are compared, not audited",
                terms.copies
            ),
        })
        .collect()
    }

    fn life(&self) -> &'static [Row] {
        LIFE
    }

    fn place(&self, order: &Order, from: AccountId, call: &OrderCall) -> Option<Place> {
        let provider = match call {
            OrderCall::Grant { grantee, .. } => *grantee,
            _ => from,
        };
        match order.head.phase {
            Phase::Bisecting | Phase::Attesting => order.dispute_place(),
            _ => Some(order.work(order.run_of(provider)?.index)),
        }
    }

    fn is_open(&self, order: &Order, from: AccountId, call: &OrderCall) -> bool {
        let run = order.run_of(from);
        match call {
            OrderCall::CommitRun { .. } | OrderCall::Decline { .. } => {
                run.is_some_and(|run| run.commitment.is_none())
            }
            OrderCall::RevealRun { .. } => run.is_some_and(|run| run.trace.is_none()),
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
            OrderCall::Cancel { .. } => work::cancel(state, order),
            OrderCall::Accept { .. } => close(state, order, Outcome::Paid),
            OrderCall::Complain { .. } => disputes::complain(state, order),
            OrderCall::Grant {
                place,
                grantee,
                sealed,
            } => {
                grants::grant(state, order, from, (*place, *grantee), sealed)?;
                if order.head.phase == Phase::Assigned {
                    work::advance(state, order);
                }
                Ok(())
            }
            OrderCall::Decline { reason, .. } => work::decline(state, order, from, *reason),
            OrderCall::CommitRun { commitment, .. } => {
                work::commit(state, order, from, *commitment)
            }
            OrderCall::RevealRun {
                place,
                root,
                checkpoints,
                result,
                salt,
                openings,
            } => {
                let trace = (root, checkpoints, result);
                work::reveal(state, order, (from, place), trace, salt, openings)
            }
            OrderCall::Bisect {
                step, leaf, path, ..
            } => disputes::bisect(state, order, from, (*step, *leaf), path.as_ref()),
            OrderCall::Attest { leaf, .. } => disputes::attest(state, order, from, *leaf),
            // It is posted before there is an order to move in; the others stand in no row.
            OrderCall::Post(_)
            | OrderCall::CommitTrace { .. }
            | OrderCall::OpenStarts { .. }
            | OrderCall::CommitAudit { .. }
            | OrderCall::OpenEnds { .. }
            | OrderCall::RevealAudit { .. } => Ok(()),
        }
    }

    fn may_be_granted(&self, order: &Order, validators: &[AccountId], to: AccountId) -> bool {
        match order.head.phase {
            Phase::Assigned => order.run_of(to).is_some(),
            _ => validators.binary_search(&to).is_ok(),
        }
    }

    fn late(&self, state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
        work::late(state, order)
    }

    fn draw(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        pools: &mut Pools,
    ) -> Result<bool, Refusal> {
        work::draw(state, order, pools)
    }

    fn decided(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        verdict: Verdict,
        reason: FailureReason,
    ) -> Result<(), Refusal> {
        compare::decided(state, order, verdict, reason)
    }
}

/// Ends an order: pays every run that stands if the result was accepted, frees every bond, and
/// returns what is left to the requester.
fn close(state: &mut State<'_>, order: &mut Order, outcome: Outcome) -> Result<(), Refusal> {
    if outcome == Outcome::Paid {
        let providers: Vec<_> = order.standing().map(|run| run.provider).collect();
        for provider in providers {
            let price = order.head.terms.price;
            escrow::pay_from_escrow(state, order, provider, price)?;
        }
    }
    runs::release(state, order)?;
    finish(state, order, outcome)
}
