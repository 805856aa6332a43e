//! The procedure of an order that many trainers do together, round by round, each on rows of its own.
//!
//! A round begins with a model that everybody can read. Each trainer takes some steps from it on its rows and
//! commits to them with an update that everybody can read; the validators say which updates can be had; a
//! beacon draws trainers whose steps are audited, each in an order of its own, which goes through the
//! phases of an audit as every other ([`super::traced`]); the validators merge the updates that
//! stand into the next model. What all that computes is no matter of the ledger's (`docs/rounds.md`).

mod audits;
mod between;
mod bits;
mod joining;
pub(super) mod life;
mod merging;
mod record;
mod terms;
mod trainers;
mod training;

use super::draw::Pools;
use super::passage::enter;
use super::procedure::{Procedure, Sender};
use super::rules::problem::{self, TermsProblem};
use crate::state::State;
use crate::{Moment, Occasion, Order, OrderCall, Outcome, Phase, Place, Refusal, RunIndex, Terms};

pub(super) use audits::audited;
pub use bits::Bits;
pub use record::{AuditOf, Holds, Merge, Model, Rounds, Sent, Trainer};
pub use terms::RoundTerms;
pub(super) use trainers::of as trainer;

/// Many trainers, round by round.
pub(crate) struct InRounds;

impl Procedure for InRounds {
    fn problems(&self, terms: &Terms) -> Vec<TermsProblem> {
        let mut found = problem::of_audit(terms);
        found.extend(
            terms
                .rounds
                .iter()
                .flat_map(|rounds| rounds.problems(terms)),
        );
        found
    }

    fn place(&self, order: &Order, _sender: &Sender<'_>, _call: &OrderCall) -> Option<Place> {
        order.round_under_way()
    }

    fn is_open(&self, order: &Order, sender: &Sender<'_>, call: &OrderCall, _now: Moment) -> bool {
        let Some(rounds) = &order.head.rounds else {
            return false;
        };
        let from = sender.account;
        match call {
            OrderCall::CommitUpdate { .. } => sender
                .trainer
                .is_some_and(|of| of.takes_part(rounds.round) && !rounds.sent.has(of.number)),
            OrderCall::Hold { .. } => rounds.holds.iter().all(|of| of.validator != from),
            OrderCall::AttestModel { .. } => rounds.merges.iter().all(|of| of.validator != from),
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
        match call {
            OrderCall::Join { rows, content, .. } => {
                joining::join(state, order, sender, (*rows, *content))
            }
            OrderCall::Leave { .. } => joining::leave(state, order, sender),
            OrderCall::Cancel { .. } => {
                let rounds = order.head.rounds.get_or_insert_default();
                rounds.ending = Some(Outcome::Withdrawn);
                enter(state, order, Phase::Between);
                Ok(())
            }
            OrderCall::CommitUpdate {
                root,
                checkpoints,
                update,
                first_invalid,
                lock,
                openings,
                ..
            } => {
                let files = (checkpoints, *update);
                training::commit(
                    state,
                    order,
                    sender,
                    (*root, files),
                    (*first_invalid, *lock),
                    openings,
                )
            }
            OrderCall::Hold { updates, .. } => {
                training::hold(state, order, sender.account, updates)
            }
            OrderCall::AttestModel {
                file,
                content,
                keeper,
                ..
            } => merging::attest(state, order, sender.account, (*file, *content, *keeper)),
            // No row of its names them.
            _ => Ok(()),
        }
    }

    fn may_be_granted(&self, _: &Order, _: &[crate::AccountId], _: crate::AccountId) -> bool {
        false
    }

    fn late(&self, state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
        match order.head.phase {
            Phase::Joining => joining::over(state, order),
            Phase::Training => training::over(state, order),
            Phase::Gathering => training::gathered(state, order),
            Phase::Merging => merging::over(state, order),
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
            Phase::Closed => audits::draw(state, order),
            Phase::Between => between::pass(state, order),
            _ => Ok(false),
        }
    }
}

impl Order {
    /// The place of moves in the round under way, of an order with rounds. The making of the first model
    /// has one of its own.
    pub fn round_under_way(&self) -> Option<Place> {
        let rounds = self.head.rounds.as_ref()?;
        let occasion = match rounds.model {
            // Each attempt follows from another seed.
            None => Occasion::Round(rounds.unmerged),
            Some(_) => Occasion::Work,
        };
        Some(Place {
            order: self.head.id,
            run: RunIndex(rounds.round.into()),
            occasion,
        })
    }

    /// The rounds that there are to be, of an order that has some.
    fn round_terms(&self) -> Option<crate::RoundTerms> {
        self.head.terms.rounds
    }
}
