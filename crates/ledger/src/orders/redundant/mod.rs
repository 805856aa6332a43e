//! The procedure of a job that several providers do, each without seeing the others' results: they
//! commit, reveal, and are compared bit for bit. No difference is voted on: it is narrowed down to
//! one step, which the validators replay.

mod compare;
pub(super) mod life;
mod work;

use super::draw::Pools;
use super::passage::finish;
use super::procedure::{Procedure, Sender};
use super::rules::problem::TermsProblem;
use super::{asking, complaint, disputes, grants, judging, runs};
use crate::state::State;
use crate::{AccountId, Moment, Order, OrderCall, Outcome, Phase, Place, Refusal, Terms};

/// Several providers at a time, compared.
pub(crate) struct Redundant;

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

    fn place(&self, order: &Order, from: &Sender<'_>, call: &OrderCall) -> Option<Place> {
        let provider = match call {
            OrderCall::Grant { grantee, .. } => *grantee,
            _ => from.account,
        };
        match order.head.phase {
            Phase::Asked => order.list_place(),
            Phase::Bisecting | Phase::Attesting => order.dispute_place(),
            Phase::Accepted => Some(order.work(order.result_run()?.index)),
            _ => Some(order.work(order.run_of(provider)?.index)),
        }
    }

    fn is_open(&self, order: &Order, from: &Sender<'_>, call: &OrderCall, now: Moment) -> bool {
        let from = from.account;
        let run = order.run_of(from);
        match call {
            OrderCall::CommitRun { .. } | OrderCall::Decline { .. } => {
                run.is_some_and(|run| run.commitment.is_none())
            }
            OrderCall::Answer { .. } => order.has_to_answer(from),
            OrderCall::RevealRun { .. } => run.is_some_and(|run| run.trace.is_none()),
            OrderCall::Deliver { .. } => run.is_some_and(|run| run.released.is_none()),
            OrderCall::Bisect { .. } => disputes::has_to_bisect(order, from),
            OrderCall::CommitFinding { .. } => judging::has_to_commit(order, from, now),
            OrderCall::Attest { .. } => judging::has_to_attest(order, from, now),
            _ => true,
        }
    }

    fn make(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        from: &Sender<'_>,
        call: &OrderCall,
    ) -> Result<(), Refusal> {
        let from = from.account;
        match call {
            OrderCall::Cancel { .. } => work::cancel(state, order),
            OrderCall::Answer { accept, .. } => {
                if asking::answer(state, order, from, *accept)? {
                    return work::begin(state, order);
                }
                Ok(())
            }
            OrderCall::Accept { .. } => close(state, order, Outcome::Paid),
            OrderCall::Complain { .. } => complaint::open(state, order),
            OrderCall::Contradict {
                shown,
                contradiction,
                ..
            } => {
                let run = complaint::check(state, order, shown, contradiction)?;
                compare::contradicted(state, order, run)
            }
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
                first_invalid,
                lock,
                salt,
                openings,
            } => {
                let trace = (root, checkpoints, result);
                let (by, sealed) = ((from, place), (lock, salt));
                work::reveal(state, order, by, trace, *first_invalid, sealed, openings)
            }
            OrderCall::Bisect {
                step, leaf, path, ..
            } => disputes::bisect(state, order, from, (*step, *leaf), path.as_ref()),
            OrderCall::Deliver { release, .. } => work::deliver(state, order, from, release),
            OrderCall::CommitFinding { commitment, .. } => {
                judging::commit(state, order, from, *commitment)
            }
            OrderCall::Attest { place, found, salt } => {
                let decision = judging::attest(state, order, (from, place), *found, *salt)?;
                compare::decided(state, order, decision)
            }
            // It is posted before there is an order to move in; the others stand in no row.
            OrderCall::Post(_)
            | OrderCall::CommitTrace { .. }
            | OrderCall::OpenStarts { .. }
            | OrderCall::CommitAudit { .. }
            | OrderCall::OpenEnds { .. }
            | OrderCall::RevealAudit { .. }
            | OrderCall::Join { .. }
            | OrderCall::Leave { .. }
            | OrderCall::CommitUpdate { .. }
            | OrderCall::Hold { .. }
            | OrderCall::AttestModel { .. }
            | OrderCall::DealKey { .. }
            | OrderCall::CheckShare { .. }
            | OrderCall::Claim { .. }
            | OrderCall::OpenShare { .. }
            | OrderCall::RevealScores { .. }
            | OrderCall::ChallengeScore { .. } => Ok(()),
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
        match order.head.phase {
            Phase::Posted => work::draw(state, order, pools),
            Phase::Taken => work::seed(state, order),
            _ => Ok(false),
        }
    }
}

/// Ends an order: pays every run that stands if the result was accepted, frees every bond, and
/// returns what is left to the requester.
fn close(state: &mut State<'_>, order: &mut Order, mut outcome: Outcome) -> Result<(), Refusal> {
    if outcome == Outcome::Paid {
        let standing: Vec<_> = order.standing().map(|run| run.index).collect();
        for run in standing {
            runs::pay(state, order, run)?;
        }
        outcome = runs::paid(order);
    }
    runs::release(state, order)?;
    finish(state, order, outcome)
}
