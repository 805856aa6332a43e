//! The tables every kind of job file shares.

use assay_ledger::{Amount, StopRule, Terms};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::JobError;
use crate::length::Length;
use crate::numbers::{Tokens, count, maybe};

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

/// Money, in tokens with at most six places after the point: "12.5", or the number.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Market {
    /// Paid to the provider for accepted work.
    #[serde(with = "Tokens")]
    #[schemars(with = "Tokens")]
    pub price: Amount,
    /// Locked by the provider until the order is settled.
    #[serde(with = "Tokens")]
    #[schemars(with = "Tokens")]
    pub provider_bond: Amount,
    /// Locked by each auditor until the order is settled.
    #[serde(with = "Tokens")]
    #[schemars(with = "Tokens")]
    pub auditor_bond: Amount,
    /// Paid to each auditor for a correct reveal.
    #[serde(with = "Tokens")]
    #[schemars(with = "Tokens")]
    pub auditor_fee: Amount,
    /// Providers that do the whole job, each for the price. With 1 the run is audited; with more
    /// none is: each commits to its result before it sees another's, they are compared bit for bit,
    /// and the validators judge every difference.
    #[serde(deserialize_with = "count::<_, _, 1, { Terms::MAX_COPIES as u64 }>")]
    #[schemars(range(min = 1, max = Terms::MAX_COPIES))]
    pub copies: u8,
    /// Steps in a row that may come to nothing (a NaN or infinity, or a gradient of zeros) before the
    /// run is given up, at most `audit.segment_steps`; 10, or as many as a segment has, unless told.
    /// The provider is paid for them; a run that is given up costs nothing beyond.
    #[serde(deserialize_with = "maybe::<_, _, 1, { Terms::MAX_STEPS }>")]
    #[schemars(range(min = 1, max = Terms::MAX_STEPS))]
    pub stop_after: Option<u32>,
    /// The same for such steps in all; a tenth of all steps unless told, and no fewer than
    /// `stop_after`.
    #[serde(deserialize_with = "maybe::<_, _, 1, { Terms::MAX_STEPS }>")]
    #[schemars(range(min = 1, max = Terms::MAX_STEPS))]
    pub max_invalid: Option<u64>,
    /// Providers tried before the order is refunded.
    #[serde(deserialize_with = "count::<_, _, 1, { Terms::MAX_ATTEMPTS as u64 }>")]
    #[schemars(range(min = 1, max = Terms::MAX_ATTEMPTS))]
    pub attempts: u8,
}

impl Default for Market {
    fn default() -> Self {
        Self {
            price: Amount::tokens(10),
            provider_bond: Amount::tokens(20),
            auditor_bond: Amount::tokens(5),
            auditor_fee: Amount(500_000),
            copies: 1,
            stop_after: None,
            max_invalid: None,
            attempts: 3,
        }
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
