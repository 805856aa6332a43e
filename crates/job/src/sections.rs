//! The tables every kind of job file shares.

use assay_ledger::{Amount, StopRule, Terms};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::JobError;
use crate::length::Length;
use crate::numbers::{Tokens, count, maybe, tokens};

/// How much of the work is replayed, and by how many.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Steps between two stored checkpoints, at most all of them; a run has at most 1,024 such
    /// segments.
    #[serde(deserialize_with = "count::<_, _, 1, { Terms::MAX_STEPS }>")]
    #[schemars(range(min = 1, max = Terms::MAX_STEPS))]
    pub segment_steps: u32,
    /// Segments drawn for replay, with replacement.
    #[serde(deserialize_with = "count::<_, _, 1, { Terms::MAX_DRAWN as u64 }>")]
    #[schemars(range(min = 1, max = Terms::MAX_DRAWN))]
    pub segments: u32,
    /// Auditors, each of whom replays every drawn segment.
    #[serde(deserialize_with = "count::<_, _, 1, { Terms::MAX_AUDITORS as u64 }>")]
    #[schemars(range(min = 1, max = Terms::MAX_AUDITORS))]
    pub auditors: u8,
}

/// Steps of a segment unless told otherwise.
const SEGMENT_STEPS: u32 = 10;

impl Audit {
    /// The same for a run of so many steps: one that is shorter than the usual segment is a single
    /// segment.
    pub(crate) fn over(mut self, steps: u64) -> Self {
        if self.segment_steps == SEGMENT_STEPS && steps < SEGMENT_STEPS.into() {
            self.segment_steps = steps.max(1) as u32;
        }
        self
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            segment_steps: SEGMENT_STEPS,
            segments: 4,
            auditors: 2,
        }
    }
}

/// What is paid and what is at stake: what a job file says of it, and the rest computed from the work.
#[derive(Debug, Clone)]
pub struct Market {
    /// Paid to the provider for accepted work.
    pub price: Amount,
    /// Locked by the provider until the order is settled.
    pub provider_bond: Amount,
    /// Locked by each auditor until the order is settled.
    pub auditor_bond: Amount,
    /// Paid to each auditor for a correct reveal.
    pub auditor_fee: Amount,
    /// Providers that do the whole job, each for the price.
    pub copies: u8,
    /// Steps in a row that may come to nothing before the run is given up, where it was said.
    pub stop_after: Option<u32>,
    /// The same for such steps in all.
    pub max_invalid: Option<u64>,
    /// Providers tried before the order is refunded.
    pub attempts: u8,
}

/// Money, in tokens with at most six places after the point: "12.5", or the number. What is left out follows
/// from the price and the work.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Market")]
pub(crate) struct MarketTable {
    /// Paid to the provider for accepted work.
    #[serde(with = "Tokens")]
    #[schemars(with = "Tokens")]
    pub(crate) price: Amount,
    /// Locked by the provider until the order is settled; twice the price, and at most 100 tokens, unless
    /// told.
    #[serde(deserialize_with = "tokens")]
    #[schemars(with = "Tokens")]
    pub(crate) provider_bond: Option<Amount>,
    /// Locked by each auditor until the order is settled; ten times the fee, and at most 100 tokens, unless
    /// told.
    #[serde(deserialize_with = "tokens")]
    #[schemars(with = "Tokens")]
    pub(crate) auditor_bond: Option<Amount>,
    /// Paid to each auditor for a correct reveal; unless told as much as the provider is paid for the
    /// steps that are drawn, since an auditor has to compute them too.
    #[serde(deserialize_with = "tokens")]
    #[schemars(with = "Tokens")]
    pub(crate) auditor_fee: Option<Amount>,
    /// Providers that do the whole job, each for the price. With 1 the run is audited; with more
    /// none is: each commits to its result before it sees another's, they are compared bit for bit,
    /// and the validators judge every difference.
    #[serde(deserialize_with = "count::<_, _, 1, { Terms::MAX_COPIES as u64 }>")]
    #[schemars(range(min = 1, max = Terms::MAX_COPIES))]
    pub(crate) copies: u8,
    /// Steps in a row that may come to nothing (a NaN or infinity, or a gradient of zeros) before the
    /// run is given up, at most `audit.segment_steps`; 10, or as many as a segment has, unless told.
    /// The provider is paid for them; a run that is given up costs nothing beyond.
    #[serde(deserialize_with = "maybe::<_, _, 1, { Terms::MAX_STEPS }>")]
    #[schemars(range(min = 1, max = Terms::MAX_STEPS))]
    pub(crate) stop_after: Option<u32>,
    /// The same for such steps in all; a tenth of all steps unless told, and no fewer than
    /// `stop_after`.
    #[serde(deserialize_with = "maybe::<_, _, 1, { Terms::MAX_STEPS }>")]
    #[schemars(range(min = 1, max = Terms::MAX_STEPS))]
    pub(crate) max_invalid: Option<u64>,
    /// Providers tried before the order is refunded.
    #[serde(deserialize_with = "count::<_, _, 1, { Terms::MAX_ATTEMPTS as u64 }>")]
    #[schemars(range(min = 1, max = Terms::MAX_ATTEMPTS))]
    pub(crate) attempts: u8,
}

impl Default for MarketTable {
    fn default() -> Self {
        Self {
            price: Amount::tokens(10),
            provider_bond: None,
            auditor_bond: None,
            auditor_fee: None,
            copies: 1,
            stop_after: None,
            max_invalid: None,
            attempts: 3,
        }
    }
}

/// The least bond of a role in a network as it is shipped, and so the least that a usual bond is.
pub(crate) const LEAST_BOND: Amount = Amount::tokens(1);
/// What the usual offers put at stake for one order.
const MOST_BOND: Amount = Amount::tokens(100);
/// A bond is at most so many times what its role earns in a network as it is shipped.
pub(crate) const MOST_MULTIPLE: u64 = 20;

impl MarketTable {
    /// For a run of so many steps that is audited so.
    pub(crate) fn over(self, steps: u64, audit: &Audit) -> Market {
        let Self { price, copies, .. } = self;
        let bond = |pay: Amount, times: u64| {
            let usual = Amount(pay.0.saturating_mul(times));
            usual.clamp(LEAST_BOND, MOST_BOND)
        };
        let drawn = u64::from(audit.segments).saturating_mul(audit.segment_steps.into());
        let (drawn, all) = (drawn.min(steps.max(1)), steps.max(1));
        // At most the price.
        let share = (u128::from(price.0) * u128::from(drawn)).div_ceil(all.into());
        let share = u64::try_from(share).unwrap_or(price.0);
        let least = self.auditor_bond.unwrap_or(LEAST_BOND);
        let fee = Amount(share.max(least.0.div_ceil(MOST_MULTIPLE)));
        // Copies are compared and not audited.
        let fee = if copies > 1 { Amount::ZERO } else { fee };
        let auditor_fee = self.auditor_fee.unwrap_or(fee);
        Market {
            price,
            provider_bond: self.provider_bond.unwrap_or(bond(price, 2)),
            auditor_bond: self.auditor_bond.unwrap_or(bond(auditor_fee, 10)),
            auditor_fee,
            copies,
            stop_after: self.stop_after,
            max_invalid: self.max_invalid,
            attempts: self.attempts,
        }
    }
}

impl Market {
    /// What a job file gets that says nothing of it, for a run of so many steps that is audited so.
    pub fn usual(steps: u64, audit: &Audit) -> Market {
        MarketTable::default().over(steps, audit)
    }
}

/// Invalid steps in a row after which a run is given up unless told otherwise.
const STOP_AFTER: u32 = 10;

impl Market {
    /// When a run of so many steps in such segments is given up.
    pub(crate) fn stop_rule(&self, steps: u64, segment_steps: u32) -> StopRule {
        let usual = STOP_AFTER.min(segment_steps);
        let stop_after = self.stop_after.unwrap_or(usual);
        let tenth = (steps / 10).max(stop_after.into()).min(steps);
        StopRule {
            stop_after,
            max_invalid: self.max_invalid.unwrap_or(tenth),
        }
    }
}

/// How long each phase of an order may take, in ledger time, which stands still while no blocks come:
/// whole seconds, or text such as "90s", "20m", "36h", "7d". A network has a shortest and a longest.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Deadlines {
    /// Finding a provider.
    pub assign: Length,
    /// Handing the keys to the provider.
    pub grant: Length,
    /// Doing the work and committing to its trace.
    pub run: Length,
    /// Opening the starts of the drawn segments.
    pub open: Length,
    /// Replaying them and committing to the answers.
    pub audit: Length,
    /// Revealing the answers.
    pub reveal: Length,
    /// Complaining about the delivery.
    pub complain: Length,
    /// One round of a dispute.
    pub dispute: Length,
    /// The validators' replay of a disputed step.
    pub attest: Length,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            assign: Length::minutes(5),
            grant: Length::minutes(5),
            run: Length::minutes(20),
            open: Length::minutes(5),
            audit: Length::minutes(10),
            reveal: Length::minutes(5),
            complain: Length::minutes(5),
            dispute: Length::minutes(5),
            attest: Length::minutes(20),
        }
    }
}

impl From<Deadlines> for assay_ledger::Deadlines {
    fn from(lengths: Deadlines) -> Self {
        let Deadlines {
            assign,
            grant,
            run,
            open,
            audit,
            reveal,
            complain,
            dispute,
            attest,
        } = lengths;
        Self {
            assign: assign.ms(),
            grant: grant.ms(),
            run: run.ms(),
            open: open.ms(),
            audit: audit.ms(),
            reveal: reveal.ms(),
            dispute: dispute.ms(),
            attest: attest.ms(),
            complain: complain.ms(),
        }
    }
}

/// Refuses a number outside `low..=high`, naming both ends.
pub(crate) fn within<T>(field: &'static str, value: T, low: T, high: T) -> Result<(), JobError>
where
    T: PartialOrd + std::fmt::Display,
{
    if !(low <= value && value <= high) {
        return Err(JobError::value(
            field,
            format!("{value} is out of range; write {low} to {high}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market(text: &str, steps: u64, segments: u32) -> Market {
        let table: MarketTable = toml::from_str(text).unwrap();
        let audit = Audit {
            segments,
            ..Audit::default()
        };
        table.over(steps, &audit)
    }

    fn money(market: &Market) -> [u64; 4] {
        [
            market.price,
            market.provider_bond,
            market.auditor_fee,
            market.auditor_bond,
        ]
        .map(|amount| amount.0)
    }

    #[test]
    fn what_is_left_out_follows_from_price_and_work() {
        const TOKEN: u64 = 1_000_000;
        for (text, steps, segments, told) in [
            // A quarter of the work, a hundredth, all of it.
            ("", 160, 4, [10 * TOKEN, 20 * TOKEN, 2_500_000, 25 * TOKEN]),
            ("", 10_000, 10, [10 * TOKEN, 20 * TOKEN, 100_000, TOKEN]),
            ("", 20, 4, [10 * TOKEN, 20 * TOKEN, 10 * TOKEN, 100 * TOKEN]),
            // No less than what a least bond stands for, no more at stake than is usual.
            ("price = \"0.1\"", 1_000, 1, [100_000, TOKEN, 50_000, TOKEN]),
            (
                "price = 400",
                160,
                4,
                [400 * TOKEN, 100 * TOKEN, 100 * TOKEN, 100 * TOKEN],
            ),
            // What is said counts, and what is left out fits it.
            (
                "auditor_bond = 60",
                1_600,
                4,
                [10 * TOKEN, 20 * TOKEN, 3 * TOKEN, 60 * TOKEN],
            ),
            (
                "auditor_fee = \"0.5\"",
                160,
                4,
                [10 * TOKEN, 20 * TOKEN, 500_000, 5 * TOKEN],
            ),
            (
                "provider_bond = 7",
                160,
                4,
                [10 * TOKEN, 7 * TOKEN, 2_500_000, 25 * TOKEN],
            ),
            ("copies = 2", 160, 4, [10 * TOKEN, 20 * TOKEN, 0, TOKEN]),
        ] {
            assert_eq!(money(&market(text, steps, segments)), told, "{text:?}");
        }
        let most = market("price = \"18446744073709.551615\"", u64::MAX, u32::MAX);
        assert_eq!(most.provider_bond, MOST_BOND);
        assert_eq!(money(&Market::usual(0, &Audit::default()))[2], 10 * TOKEN);
    }
}
