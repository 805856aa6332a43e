//! The procedure of a job that one provider does, leaving a trace: auditors replay drawn segments
//! of it, and what they dispute the validators replay.

mod audit;
mod last_resort;
mod late;
pub(super) mod life;
mod resolve;
mod work;

use super::draw::Pools;
use super::passage::{enter, finish};
use super::procedure::{Procedure, Sender};
use super::rules::problem::{self, TermsProblem};
use super::{asking, audited, complaint, disputes, escrow, grants, judging, runs};
use crate::state::State;
use crate::{
    AccountId, FailureReason, Moment, Order, OrderCall, Outcome, Phase, Place, Refusal, RunIndex,
    Seat, StepIndex, Terms,
};

/// One provider at a time, audited.
pub(crate) struct Traced;

impl Procedure for Traced {
    fn problems(&self, terms: &Terms) -> Vec<TermsProblem> {
        problem::of_audit(terms)
    }

    fn place(&self, order: &Order, _from: &Sender<'_>, _call: &OrderCall) -> Option<Place> {
        match order.head.phase {
            Phase::Asked | Phase::Called => order.list_place(),
            Phase::Assigned | Phase::Running | Phase::Delivering => {
                Some(order.work(order.run()?.index))
            }
            Phase::Accepted => Some(order.work(order.result_run()?.index)),
            Phase::Opening | Phase::Auditing | Phase::Closing | Phase::Revealing => {
                order.round_place()
            }
            Phase::Bisecting | Phase::Attesting => order.dispute_place(),
            _ => None,
        }
    }

    fn is_open(&self, order: &Order, from: &Sender<'_>, call: &OrderCall, now: Moment) -> bool {
        let from = from.account;
        let round = order.round();
        let seat = order.seat(from);
        match call {
            OrderCall::Answer { .. } => order.has_to_answer(from),
            OrderCall::OpenStarts { .. } => round.is_some_and(|round| round.starts.is_empty()),
            OrderCall::CommitAudit { .. } => seat.is_some_and(|seat| seat.commitment.is_none()),
            OrderCall::RevealAudit { .. } => {
                seat.is_some_and(|seat| seat.commitment.is_some() && seat.results.is_none())
            }
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
            // It is posted before there is an order to move in.
            OrderCall::Post(_) => Ok(()),
            OrderCall::Cancel { .. } => work::cancel(state, order),
            OrderCall::Answer { accept, .. } => {
                let decided = asking::answer(state, order, from, *accept)?;
                match order.head.phase {
                    Phase::Called if decided => audit::seat(state, order),
                    _ if decided => work::begin(state, order),
                    _ => Ok(()),
                }
            }
            OrderCall::Accept { .. } => close(state, order, Outcome::Paid),
            OrderCall::Complain { .. } => complaint::open(state, order),
            OrderCall::Contradict {
                shown,
                contradiction,
                ..
            } => {
                complaint::check(state, order, shown, contradiction)?;
                resolve::contradicted(state, order)
            }
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
                counts,
                first_invalid,
                lock,
                ..
            } => {
                let trace = (*root, checkpoints, *result);
                work::commit(state, order, trace, (*counts, *first_invalid), *lock)
            }
            // No row of its names them.
            OrderCall::CommitRun { .. }
            | OrderCall::RevealRun { .. }
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
            OrderCall::Deliver { release, .. } => {
                runs::deliver(state, order, from, release)?;
                let last = StepIndex(order.head.terms.steps);
                match order.run().and_then(|run| run.opened(last)) {
                    Some(_) => enter(state, order, Phase::Accepted),
                    // Nobody was there to audit it, so there is no leaf that a complaint could be about.
                    None => close(state, order, Outcome::Paid)?,
                }
                Ok(())
            }
            OrderCall::CommitFinding { commitment, .. } => {
                judging::commit(state, order, from, *commitment)
            }
            OrderCall::Attest { place, found, salt } => {
                let decision = judging::attest(state, order, (from, place), *found, *salt)?;
                resolve::decided(state, order, decision)
            }
        }
    }

    fn may_be_granted(&self, order: &Order, validators: &[AccountId], to: AccountId) -> bool {
        match order.head.phase {
            Phase::Assigned => order.provider() == Some(to),
            Phase::Opening | Phase::Auditing => order.seat(to).is_some_and(Seat::stands),
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
            Phase::Taken => work::seed(state, order),
            Phase::Committed => audit::draw(state, order, pools),
            Phase::Seated => audit::draw_round(state, order),
            _ => Ok(false),
        }
    }
}

/// Goes on with a run that stands: its result is delivered. What was only audited for its round has
/// been delivered before, so that is its end.
fn stands(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    match order.head.audit_of {
        Some(_) => close(state, order, Outcome::Paid),
        None => {
            enter(state, order, Phase::Delivering);
            Ok(())
        }
    }
}

/// Has validators audit a copy that was left alone, as a run for which auditors could not be had.
pub(super) fn audit_alone(
    state: &mut State<'_>,
    order: &mut Order,
    run: RunIndex,
) -> Result<(), Refusal> {
    if let Some(run) = order.runs.get_mut(run.0 as usize) {
        run.last_resort = true;
    }
    last_resort::call(state, order)
}

/// Ends the run without a result, and posts the order again or refunds it.
fn fail(
    state: &mut State<'_>,
    order: &mut Order,
    reason: FailureReason,
    rewarded: escrow::Reward<'_>,
) -> Result<(), Refusal> {
    let run = order.attempt();
    runs::fail(state, order, run, reason, rewarded)?;
    if order.head.terms.copies > 1 {
        // The other copies are known by now: what is public could be handed in again.
        return close(state, order, Outcome::NoCopies);
    }
    if order.head.begun < u32::from(order.head.terms.attempts) {
        enter(state, order, Phase::Posted);
        Ok(())
    } else {
        close(state, order, Outcome::AttemptsUsed)
    }
}

/// Ends an order: pays who is to be paid (for [`Outcome::Paid`], which becomes [`Outcome::Failed`]
/// where the run was given up), frees every bond, and returns what is left to the
/// requester.
fn close(state: &mut State<'_>, order: &mut Order, mut outcome: Outcome) -> Result<(), Refusal> {
    if outcome == Outcome::Paid
        && let Some(run) = order.run()
    {
        let index = run.index;
        runs::pay(state, order, index)?;
        outcome = runs::paid(order);
    }
    if matches!(outcome, Outcome::Paid | Outcome::Failed) {
        for (auditor, fee) in last_resort::fees(order) {
            escrow::pay_from_escrow(state, order, auditor, fee)?;
        }
    }
    runs::release(state, order)?;
    if order.head.audit_of.is_some() {
        audited::tell(state, order, outcome)?;
    }
    finish(state, order, outcome)
}
