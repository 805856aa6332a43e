//! The procedure of an order for which several providers compete.
//!
//! The requester deals the key of its test set to the validators ([`sharing`]) and they say that they hold it.
//! Providers claim; a beacon gives each a seed of its own; each does the whole of the job and commits to it
//! ([`claims`]). Only when all claims are shown do the validators open the test set, and score every model on it
//! ([`scoring`]). The runs of the best are audited, each in an order of its own ([`checking`]), and paid by rank and
//! improvement ([`paying`]). What a model scores is no matter of the ledger's.

mod checking;
mod claims;
mod course;
mod custody;
pub(super) mod life;
mod paying;
mod record;
mod scoring;
mod sharing;
mod store;
mod terms;

use super::draw::Pools;
use super::passage::{enter, finish};
use super::procedure::{Procedure, Sender};
use super::rules::problem::{self, TermsProblem};
use crate::state::State;
use crate::{Moment, Occasion, Order, OrderCall, Outcome, Phase, Place, Refusal, RunIndex, Terms};

pub use custody::{Custody, CustodyPoints, KeyCustody, SealedShare, ValidatorCustody};
pub use record::{
    Ballot, Claim, ClaimEntry, ClaimStage, Contest, ScoreChallenge, ScoreSheet, Scores, ShownRun,
};
pub(super) use store::of as claim;
pub use terms::{ContestShares, ContestTerms, CustodyTerms};

pub(super) use claims::audited;

/// Several providers, one of which is the best.
pub(crate) struct InContest;

impl Procedure for InContest {
    fn problems(&self, terms: &Terms) -> Vec<TermsProblem> {
        let mut found = problem::of_audit(terms);
        let contest = terms.contest.iter();
        found.extend(contest.flat_map(|contest| contest.problems(terms)));
        found
    }

    fn place(&self, order: &Order, sender: &Sender<'_>, call: &OrderCall) -> Option<Place> {
        let contest = order.contest.as_ref()?;
        match order.head.phase {
            Phase::Claiming | Phase::Sealed => {
                let number = contest.number_of(&sender.account)?;
                Some(order.work(RunIndex(number.into())))
            }
            Phase::Verifying => {
                let claim = call.place()?.run;
                let number = u16::try_from(claim.0).ok()?;
                let listed = contest.listed.contains(&number);
                listed.then(|| order.work(claim))
            }
            _ => order.contest_place(),
        }
    }

    fn is_open(&self, order: &Order, sender: &Sender<'_>, call: &OrderCall, now: Moment) -> bool {
        let Some(contest) = &order.contest else {
            return false;
        };
        let from = sender.account;
        let stage = || {
            let number = contest.number_of(&from)?;
            contest.entry(number).map(|of| of.stage)
        };
        let custody = contest.custody.as_ref();
        match call {
            OrderCall::CheckShare { .. } => {
                custody.is_some_and(|of| of.checked.iter().all(|(validator, _)| *validator != from))
            }
            OrderCall::CommitRun { .. } => stage() == Some(ClaimStage::Claimed),
            OrderCall::RevealRun { .. } => stage() == Some(ClaimStage::Committed),
            OrderCall::CommitFinding { .. } => scoring::has_to_commit(order, from, now),
            OrderCall::RevealScores { .. } => scoring::has_to_reveal(order, from, now),
            _ => true,
        }
    }

    fn make(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        sender: &Sender<'_>,
        call: &OrderCall,
    ) -> Result<(), Refusal> {
        let from = sender.account;
        match call {
            OrderCall::Cancel { .. } if order.head.phase == Phase::Dealing => {
                finish(state, order, Outcome::Withdrawn)
            }
            OrderCall::Cancel { .. } => {
                course::end(state, order, Outcome::Withdrawn);
                Ok(())
            }
            OrderCall::DealKey {
                under,
                points,
                sealed,
                ..
            } => sharing::deal(state, order, under, (points, sealed)),
            OrderCall::CheckShare { good, .. } => sharing::note_share(state, order, from, *good),
            OrderCall::Claim { .. } => claims::claim(state, order, sender),
            OrderCall::Leave { .. } => claims::leave(state, order, sender),
            OrderCall::CommitRun { commitment, .. } => {
                claims::commit(state, order, sender, *commitment)
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
                let of = claims::Revealed {
                    root,
                    checkpoints,
                    result,
                    first_invalid: *first_invalid,
                    lock,
                    salt,
                    openings,
                };
                claims::reveal(state, order, (sender, place), &of)
            }
            OrderCall::OpenShare { share, .. } => sharing::show(state, order, from, share),
            OrderCall::CommitFinding { commitment, .. } => {
                scoring::commit(state, order, from, *commitment)
            }
            OrderCall::RevealScores {
                place,
                scores,
                salt,
            } => scoring::reveal(state, order, (from, place), scores, salt.as_ref()),
            OrderCall::ChallengeScore { place, score } => {
                scoring::challenge(state, order, (from, place), *score)
            }
            // No row of its names them.
            _ => Ok(()),
        }
    }

    fn may_be_granted(&self, _: &Order, _: &[crate::AccountId], _: crate::AccountId) -> bool {
        false
    }

    fn late(&self, state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
        match order.head.phase {
            Phase::Dealing => finish(state, order, Outcome::NotGranted),
            Phase::Holding => sharing::unheld(state, order),
            Phase::Joining => claims::over(state, order),
            Phase::Claiming => claims::late(state, order),
            Phase::Sealed => claims::withheld(state, order),
            Phase::TestOpen => sharing::shut(state, order),
            Phase::Validating => scoring::close(state, order),
            Phase::Verifying => scoring::verified(state, order),
            Phase::Recounting => scoring::recounted(state, order),
            Phase::Checking => checking::wait(state, order),
            phase => {
                enter(state, order, phase);
                Ok(())
            }
        }
    }

    fn draw(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        _: &mut Pools,
    ) -> Result<bool, Refusal> {
        match order.head.phase {
            Phase::Taken => claims::seed(state, order),
            Phase::Closed => checking::advance(state, order),
            Phase::Between => paying::pass(state, order),
            _ => Ok(false),
        }
    }
}

impl Order {
    /// The place of moves in a contest that are about no claim of the sender's: of the key in custody, of all
    /// scores, or of the one that is challenged.
    pub fn contest_place(&self) -> Option<Place> {
        let contest = self.contest.as_ref()?;
        let (run, occasion) = match self.head.phase {
            Phase::Validating => (0, Occasion::Round(0)),
            Phase::Recounting => {
                let number = contest.challenges.saturating_sub(1);
                (contest.challenge?.claim, Occasion::Dispute(number))
            }
            _ => (0, Occasion::Work),
        };
        Some(Place {
            order: self.head.id,
            run: RunIndex(run.into()),
            occasion,
        })
    }
}
