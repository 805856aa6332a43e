//! What a contest asks for beside its other terms, and what it costs.

use assay_crypto::custody::CustodyPoint;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::orders::audits;
use crate::orders::rules::problem::{TermsProblem, outside};
use crate::{Amount, Input, Parameters, Ppm, Terms};

/// What makes an order a contest: several providers do the whole of it, each with a seed of its own, and
/// validators score what comes of it on a test set that nobody could read before.
///
/// The price in its [`Terms`] is what the contest pays in all, the auditors' fees apart; the provider's bond is
/// what each claimant locks.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ContestTerms {
    /// Claimants without which it does not begin.
    pub least: u16,
    /// Most claimants.
    pub most: u16,
    /// How many of the best are paid: their runs are audited.
    pub places: u16,
    /// A score is an improvement by what it is above this.
    pub baseline: u64,
    /// Of the providers' share, what the best gets before the rest is shared by improvement.
    pub winner: Ppm,
    /// How the price is shared out.
    pub shares: ContestShares,
    /// The test set, encrypted under the key in custody.
    pub test: Input,
    /// Who keeps that key, and what it is known by.
    pub custody: CustodyTerms,
}

/// How the price of a contest is shared out. Together they are one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct ContestShares {
    /// To claimants.
    pub providers: Ppm,
    /// To validators that scored.
    pub validators: Ppm,
    /// To whoever shows that a score is wrong; what nobody earned goes back.
    pub verifiers: Ppm,
    /// To the treasury.
    pub treasury: Ppm,
    /// To the pot.
    pub pot: Ppm,
}

impl ContestShares {
    /// Three quarters to those who train.
    pub const USUAL: ContestShares = ContestShares {
        providers: Ppm(750_000),
        validators: Ppm(120_000),
        verifiers: Ppm(50_000),
        treasury: Ppm(50_000),
        pot: Ppm(30_000),
    };

    fn sum(&self) -> u64 {
        let all = [
            self.providers,
            self.validators,
            self.verifiers,
            self.treasury,
            self.pot,
        ];
        all.iter().map(|share| u64::from(share.0)).sum()
    }
}

/// In whose custody a key is. A scheme whose shares everybody can check is to come beside this one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum CustodyTerms {
    /// The network's validators: one more of them than can be liars open it.
    Validators {
        /// What the key is known by, before it is dealt and after it is opened.
        key: CustodyPoint,
    },
}

impl ContestTerms {
    /// Most claimants of a contest: all their models are scored by each validator.
    pub const MOST: u16 = 64;
    /// Most claims that are paid by rank.
    pub const MOST_PLACES: u16 = 16;

    /// What everything can cost: the price, and an audit of every claim.
    pub(in crate::orders) fn escrow(
        &self,
        terms: &Terms,
        parameters: &Parameters,
    ) -> Option<Amount> {
        let audits = self.audit_escrow(terms, parameters)?;
        let audits = audits.checked_mul(self.most.into())?;
        let held = terms.price.checked_add(audits)?;
        held.checked_add(parameters.order_deposit)
    }

    /// What the audit of one claim holds. The claim is paid in the contest.
    pub(super) fn audit_escrow(&self, terms: &Terms, parameters: &Parameters) -> Option<Amount> {
        audits::escrow(terms, Amount::ZERO, parameters)
    }

    /// What of the price goes to claimants.
    pub fn pool(&self, terms: &Terms) -> Amount {
        self.shares.providers.of(terms.price)
    }

    /// What whoever shows that one of so many scores is wrong gets.
    pub fn bounty(&self, terms: &Terms, scores: usize) -> Amount {
        let all = self.shares.verifiers.of(terms.price);
        Amount(all.0.checked_div(scores as u64).unwrap_or(0))
    }

    /// What is wrong with them.
    pub(super) fn problems(&self, terms: &Terms) -> Vec<TermsProblem> {
        let counts: [(_, _, u64, u64); 5] = [
            (
                "most",
                "most claimants",
                self.most.into(),
                ContestTerms::MOST.into(),
            ),
            (
                "least",
                "least claimants",
                self.least.into(),
                self.most.into(),
            ),
            (
                "places",
                "claims that are paid",
                self.places.into(),
                ContestTerms::MOST_PLACES.min(self.most).into(),
            ),
            ("copies", "copies", terms.copies.into(), 1),
            ("attempts", "attempts", terms.attempts.into(), 1),
        ];
        let mut found = outside(counts);
        let mut problem = |field, text| found.push(TermsProblem { field, text });
        let (sum, one) = (self.shares.sum(), Ppm::ONE.0);
        if sum != u64::from(one) {
            let text = format!(
                "providers + validators + verifiers + treasury + pot is {sum} parts per million, it must be \
                 {one}; usual are 750000, 120000, 50000, 50000 and 30000"
            );
            problem("shares", text);
        }
        if self.winner > Ppm::ONE {
            let text = format!(
                "the winner's part is {} parts per million of the providers' share, it is at most {one}; usual is \
                 700000",
                self.winner.0
            );
            problem("winner", text);
        }
        if self.baseline == u64::MAX {
            let text = "no score is above this baseline, so nothing would be an improvement; take what the \
                        best model that you have scores";
            problem("baseline", text.to_owned());
        }
        let CustodyTerms::Validators { key } = self.custody;
        if let Err(bad) = key.check() {
            problem("custody", bad.to_string());
        }
        let is_input =
            |input: &Input| input.file == self.test.file || input.content == self.test.content;
        if terms.inputs.iter().any(is_input) {
            let text = "the test set is one of the inputs, which everybody reads: take rows that are in none";
            problem("test", text.to_owned());
        }
        found.extend(audits::times(&terms.deadlines, "a claimant"));
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
        let least = parameters.judge_fee;
        let floors = [
            (
                self.shares.validators.of(terms.price),
                least.0,
                "validators",
                "look at every model",
            ),
            (
                self.bounty(terms, self.most.into()),
                least.0,
                "verifiers, for each of `most` scores,",
                "score a model once more",
            ),
            (self.pool(terms), self.most.into(), "providers", "train"),
        ];
        for (paid, least, who, what) in floors {
            if paid.0 < least {
                let text = format!(
                    "the share of {who} is {paid}, the least here is {}: they {what}; raise the share, or the \
                     price",
                    Amount(least)
                );
                let field = "shares";
                found.push(TermsProblem { field, text });
            }
        }
        found
    }

    /// Who replaces one segment of its run by other states is not seen with the chance that none of the draws
    /// hits it. What it loses if it is seen must be worth more than what it can win if it is not.
    fn bond_problem(&self, terms: &Terms, parameters: &Parameters) -> Option<TermsProblem> {
        let bond = terms.provider_bond;
        let lost = bond.0.saturating_sub(parameters.reward_rate.of(bond).0);
        let (pool, miss) = (self.pool(terms), unseen(terms));
        let seen = FINE.saturating_sub(miss);
        let (loss, gain) = (u128::from(lost) * seen, u128::from(pool.0) * miss);
        (loss < gain).then(|| TermsProblem {
            field: "provider_bond",
            text: format!(
                "of a claimant's bond of {bond} an accomplice may get {} back. Of {} segments, one that is false \
                 is not drawn in {} draws with the chance p = (1 - 1 / segments)^draws = {} of a million; it must \
                 hold that (bond - what comes back) * (1 - p) >= the providers' share * p, which is {pool} * p; \
                 raise the bond, draw more segments, or make fewer of them",
                parameters.reward_rate.of(bond),
                terms.segments(),
                terms.segments_drawn,
                miss.div_ceil(FINE / 1_000_000),
            ),
        })
    }
}

/// Parts in which chances are told here.
const FINE: u128 = 1_000_000_000_000;

/// The chance, rounded up, that none of the draws hits one segment.
fn unseen(terms: &Terms) -> u128 {
    let segments = u128::from(terms.segments().max(1));
    let draws = terms.segments_drawn.min(Terms::MAX_DRAWN);
    (0..draws).fold(FINE, |left, _| (left * (segments - 1)).div_ceil(segments))
}
