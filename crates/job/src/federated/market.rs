//! The tables of a job file that say who takes part and what is paid.

use assay_ledger::{Amount, RoundTerms, Terms};
use assay_rounds::{RoundSpec, dense_bytes};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{merge, run};
use crate::error::JobError;
use crate::numbers::{Tokens, count, maybe, tokens};
use crate::sections::{Audit, LEAST_BOND, MOST_MULTIPLE, Market, MarketTable};

/// Who trains.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Trainers {
    /// Trainers without which the work does not begin, and updates without which a round merges none.
    #[serde(deserialize_with = "count::<_, _, 1, { RoundTerms::MAX_TRAINERS as u64 }>")]
    #[schemars(range(min = 1, max = RoundTerms::MAX_TRAINERS))]
    pub(super) least: u16,
    /// Most trainers that take part together.
    #[serde(deserialize_with = "count::<_, _, 1, { RoundTerms::MAX_TRAINERS as u64 }>")]
    #[schemars(range(min = 1, max = RoundTerms::MAX_TRAINERS))]
    pub(super) most: u16,
    /// Trainers that are drawn in each round to have their steps audited.
    #[serde(deserialize_with = "count::<_, _, 1, { RoundTerms::MAX_AUDITED as u64 }>")]
    #[schemars(range(min = 1, max = RoundTerms::MAX_AUDITED))]
    pub(super) audited: u16,
    /// Most rows of one trainer: the memory that trainers and auditors give is told from it.
    #[serde(
        default = "most_rows",
        deserialize_with = "count::<_, _, 1, { 1 << 24 }>"
    )]
    #[schemars(range(min = 1, max = 1 << 24))]
    pub(super) most_rows: u64,
}

fn most_rows() -> u64 {
    10_000
}

/// Money, in tokens with at most six places after the point: "12.5", or the number. What is left out follows
/// from the price and the work.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "FederatedMarket")]
pub(super) struct RoundsMarket {
    /// Paid to each trainer for each round that it takes part in.
    #[serde(with = "Tokens")]
    #[schemars(with = "Tokens")]
    price: Amount,
    /// Locked by each trainer as long as it takes part, at least price * most / audited; that, or twice the price
    /// where it is more, unless told.
    #[serde(deserialize_with = "tokens")]
    #[schemars(with = "Tokens")]
    provider_bond: Option<Amount>,
    /// Locked by each auditor until its audit is settled; ten times the fee, and at most 100 tokens, unless
    /// told.
    #[serde(deserialize_with = "tokens")]
    #[schemars(with = "Tokens")]
    auditor_bond: Option<Amount>,
    /// Paid to each auditor for a correct reveal; unless told as much as the trainer is paid for the
    /// steps that are drawn.
    #[serde(deserialize_with = "tokens")]
    #[schemars(with = "Tokens")]
    auditor_fee: Option<Amount>,
    /// Shared by the validators who make the first model or that of a round; unless told what a trainer is paid for
    /// as much work, at least 0.1 and at most what all trainers are paid.
    #[serde(deserialize_with = "tokens")]
    #[schemars(with = "Tokens")]
    merge_fee: Option<Amount>,
    /// Steps in a row that may come to nothing before a trainer's round is given up; 10, or as many as a segment
    /// has, unless told.
    #[serde(deserialize_with = "maybe::<_, _, 1, { Terms::MAX_STEPS }>")]
    #[schemars(range(min = 1, max = Terms::MAX_STEPS))]
    stop_after: Option<u32>,
    /// The same for such steps of a round in all; a tenth of them unless told, and no fewer than `stop_after`.
    #[serde(deserialize_with = "maybe::<_, _, 1, { Terms::MAX_STEPS }>")]
    #[schemars(range(min = 1, max = Terms::MAX_STEPS))]
    max_invalid: Option<u64>,
}

impl Default for RoundsMarket {
    fn default() -> Self {
        Self {
            price: Amount(100_000),
            provider_bond: None,
            auditor_bond: None,
            auditor_fee: None,
            merge_fee: None,
            stop_after: None,
            max_invalid: None,
        }
    }
}

/// The least usual fee for merging: about what forty calls cost.
const LEAST_MERGE_FEE: u128 = 100_000;

impl RoundsMarket {
    /// What is paid and what is at stake, and what the terms say of rounds.
    pub(super) fn over(
        self,
        spec: &RoundSpec,
        audit: &Audit,
        trainers: &Trainers,
    ) -> Result<(Market, RoundTerms), JobError> {
        let bond = match self.provider_bond {
            Some(bond) => bond,
            None => self.usual_bond(spec.rounds, trainers)?,
        };
        let merge_fee = match self.merge_fee {
            Some(fee) => fee,
            None => self.usual_merge_fee(spec, trainers)?,
        };
        let table = MarketTable {
            price: self.price,
            provider_bond: Some(bond),
            auditor_bond: self.auditor_bond,
            auditor_fee: self.auditor_fee,
            copies: 1,
            stop_after: self.stop_after,
            max_invalid: self.max_invalid,
            attempts: 1,
        };
        let market = table.over(spec.local_steps + 1, audit);
        let terms = RoundTerms {
            // At most as many as a job file can say.
            rounds: u16::try_from(spec.rounds).unwrap_or(u16::MAX),
            least: trainers.least,
            most: trainers.most,
            audited: trainers.audited,
            merge_fee,
            update_bytes: update_bytes(spec)?,
        };
        Ok((market, terms))
    }

    /// The least bond under which nobody gains by leaving out steps, or twice the price where it is more.
    fn usual_bond(&self, rounds: u64, trainers: &Trainers) -> Result<Amount, JobError> {
        let price = u128::from(self.price.0);
        let (most, audited) = (u128::from(trainers.most), u128::from(trainers.audited));
        // Half of what is cut may come back to it, by way of an accomplice that audits.
        let needed = (2 * price * most).div_ceil(audited);
        let cap = price * u128::from(MOST_MULTIPLE) * u128::from(rounds);
        if needed > cap {
            let least = (2 * most).div_ceil(u128::from(MOST_MULTIPLE) * u128::from(rounds));
            return Err(JobError::value(
                "trainers.audited",
                format!(
                    "with {audited} of {most} audited in a round a bond must be at least 2 * price * {most} / \
                     {audited} = {}, and networks as they are shipped take at most {MOST_MULTIPLE} times the \
                     price of all rounds = {}; audit at least 2 * most / ({MOST_MULTIPLE} * rounds) = {least} of them",
                    amount(needed),
                    amount(cap)
                ),
            ));
        }
        let usual = (2 * price).clamp(LEAST_BOND.0.into(), cap.max(LEAST_BOND.0.into()));
        Ok(amount(usual.max(needed)))
    }

    /// What trainers are paid for as much work as merging is, about.
    fn usual_merge_fee(&self, spec: &RoundSpec, trainers: &Trainers) -> Result<Amount, JobError> {
        let footprint = run::footprint(spec)?;
        let coordinates = run::coordinates(&footprint);
        let merging = merge::work(&spec.aggregation, trainers.most.into(), coordinates);
        let round = u128::from(footprint.products) * u128::from(spec.local_steps);
        let price = u128::from(self.price.0);
        let fee = price.saturating_mul(merging).div_ceil(round.max(1));
        let fee = fee.min(price * u128::from(trainers.most));
        Ok(amount(fee.max(LEAST_MERGE_FEE)))
    }
}

/// Bytes of every trainer's update.
fn update_bytes(spec: &RoundSpec) -> Result<u32, JobError> {
    let coordinates = run::coordinates(&run::footprint(spec)?);
    // A model of the most parameters makes 48 MiB of them.
    Ok(u32::try_from(dense_bytes(spec, coordinates)).unwrap_or(u32::MAX))
}

fn amount(micro: u128) -> Amount {
    Amount(u64::try_from(micro).unwrap_or(u64::MAX))
}
