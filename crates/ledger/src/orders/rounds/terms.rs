//! What an order with rounds asks for beside its other terms, and what it costs.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::bits::Bits;
use crate::orders::audits;
use crate::orders::rules::problem::{TermsProblem, outside};
use crate::{Amount, BoundedBytes, BoundedVec, Input, Parameters, Terms};

/// What makes an order one with rounds: many trainers, each on rows of its own.
///
/// The price in its [`Terms`] is what one trainer earns in one round, and the provider's bond what each of them
/// locks as long as it takes part.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct RoundTerms {
    /// How many rounds there are.
    pub rounds: u16,
    /// Trainers without which it does not begin, and updates without which a round merges none.
    pub least: u16,
    /// Most trainers.
    pub most: u16,
    /// Trainers that are drawn in each round to have their steps audited.
    pub audited: u16,
    /// What the validators whose merged model is the round's share for it.
    pub merge_fee: Amount,
    /// Bytes of every update: another last state is none.
    pub update_bytes: u32,
}

impl RoundTerms {
    /// Most rounds of an order.
    pub const MAX_ROUNDS: u16 = 10_000;
    /// Most trainers of an order, those that left counted.
    pub const MAX_TRAINERS: u16 = Bits::MOST;
    /// Most trainers that are audited in one round.
    pub const MAX_AUDITED: u16 = 64;
    /// Most bytes of all updates of a round: validators hold them at once.
    pub const MAX_BYTES: u64 = 2 << 30;
    /// Bytes that the specification of one trainer's run in one round adds to that of the order.
    pub const SUFFIX: usize = 12;

    /// What everything costs if every trainer takes part in every round, and every answer is needed; `None` on
    /// overflow.
    pub(crate) fn escrow(&self, terms: &Terms, parameters: &Parameters) -> Option<Amount> {
        let trained = terms.price.checked_mul(u64::from(self.most))?;
        let audited = self.audit_escrow(terms, parameters)?;
        // The trainer's price is in what an audit holds: it is paid from there.
        let audited = audited.checked_sub(terms.price)?;
        let audited = audited.checked_mul(u64::from(self.audited))?;
        let round = trained.checked_add(audited)?.checked_add(self.merge_fee)?;
        // The first model is made like every other.
        let rounds = round.checked_mul(u64::from(self.rounds))?;
        rounds
            .checked_add(self.merge_fee)?
            .checked_add(parameters.order_deposit)
    }

    /// What one trainer's audit holds: its pay, the auditors', and the fees of their answers.
    pub(super) fn audit_escrow(&self, terms: &Terms, parameters: &Parameters) -> Option<Amount> {
        audits::escrow(terms, terms.price, parameters)
    }

    /// What is wrong with them.
    pub(super) fn problems(&self, terms: &Terms) -> Vec<TermsProblem> {
        let most_audited = RoundTerms::MAX_AUDITED.min(self.most);
        let mut found = outside([
            (
                "rounds",
                "rounds",
                self.rounds.into(),
                RoundTerms::MAX_ROUNDS.into(),
            ),
            (
                "most",
                "most trainers",
                self.most.into(),
                RoundTerms::MAX_TRAINERS.into(),
            ),
            (
                "least",
                "least trainers",
                self.least.into(),
                self.most.into(),
            ),
            (
                "audited",
                "trainers audited in a round",
                self.audited.into(),
                most_audited.into(),
            ),
            ("copies", "copies", terms.copies.into(), 1),
            ("attempts", "attempts", terms.attempts.into(), 1),
        ]);
        found.extend(audits::times(&terms.deadlines, "a trainer"));
        let room = 4096 - RoundTerms::SUFFIX;
        if terms.spec.len() > room {
            let text = format!(
                "the specification has {} bytes, with rounds it may have {room}",
                terms.spec.len()
            );
            found.push(TermsProblem {
                field: "spec",
                text,
            });
        }
        found
    }

    /// What is wrong with them in a network with these parameters.
    pub(in crate::orders) fn problems_here(
        &self,
        terms: &Terms,
        parameters: &Parameters,
    ) -> Vec<TermsProblem> {
        let mut found: Vec<TermsProblem> =
            self.bond_problem(terms, parameters).into_iter().collect();
        if self.merge_fee < parameters.judge_fee {
            let text = format!(
                "merge_fee is {}, the least here is {}: validators fetch and merge every update",
                self.merge_fee, parameters.judge_fee
            );
            let field = "merge_fee";
            found.push(TermsProblem { field, text });
        }
        let all = u64::from(self.update_bytes).saturating_mul(self.most.into());
        let most = parameters.max_task_bytes.min(RoundTerms::MAX_BYTES);
        if self.update_bytes == 0 || all > most {
            let text = format!(
                "{} updates of {} bytes are {all} bytes that validators hold in a round, and the network's \
                 max_task_bytes, or what a round may have at most, is {most}; take fewer trainers, a smaller model, or fewer bits",
                self.most, self.update_bytes
            );
            let field = "most";
            found.push(TermsProblem { field, text });
        }
        found
    }

    /// Who leaves out a share of a round's steps saves at most that share of its price, and is caught at
    /// least with the chance that it is audited times that share: what nobody pays back to it of its bond
    /// must be worth more.
    fn bond_problem(&self, terms: &Terms, parameters: &Parameters) -> Option<TermsProblem> {
        let bond = terms.provider_bond;
        let lost = bond.0.saturating_sub(parameters.reward_rate.of(bond).0);
        let gain = u128::from(terms.price.0) * u128::from(self.most);
        let loss = u128::from(lost) * u128::from(self.audited);
        (loss < gain).then(|| {
            let least = gain.div_ceil(u128::from(self.audited.max(1)));
            let least = Amount(u64::try_from(least).unwrap_or(u64::MAX));
            TermsProblem {
                field: "provider_bond",
                text: format!(
                    "of a trainer's bond of {bond} an accomplice may get {} back, and {} of {} are audited in \
                     a round: the rest must be at least price * {} / {} = {least}, or it is worth more not to \
                     train; raise the bond, or audit more of them",
                    parameters.reward_rate.of(bond),
                    self.audited,
                    self.most,
                    self.most,
                    self.audited
                ),
            }
        })
    }

    /// The terms of one trainer's run in one round, as if it had been ordered alone. The specification says
    /// after the order's own which round it is, counted from 0, and whose: 8 and 4 bytes, little-endian.
    pub(super) fn of_run(terms: &Terms, (round, trainer): (u16, u16), inputs: [Input; 2]) -> Terms {
        let mut spec = terms.spec.to_vec();
        spec.extend(u64::from(round).to_le_bytes());
        spec.extend(u32::from(trainer).to_le_bytes());
        Terms {
            // Terms that leave no room for it are refused.
            spec: BoundedBytes::new(spec).unwrap_or_default(),
            inputs: BoundedVec::new(Vec::from(inputs)).unwrap_or_default(),
            rounds: None,
            contest: None,
            ..terms.clone()
        }
    }
}
