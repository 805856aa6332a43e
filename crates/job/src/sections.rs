//! The tables every kind of job file shares.

use assay_ledger::Amount;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::JobError;

/// How much of the work is replayed, and by how many.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Steps between two stored checkpoints.
    #[serde(default = "Audit::default_segment_steps")]
    pub segment_steps: u32,
    /// Segments drawn for replay, with replacement.
    #[serde(default = "Audit::default_segments")]
    pub segments: u32,
    /// Auditors, each of whom replays every drawn segment.
    #[serde(default = "Audit::default_auditors")]
    pub auditors: u8,
}

impl Audit {
    fn default_segment_steps() -> u32 {
        10
    }
    fn default_segments() -> u32 {
        4
    }
    fn default_auditors() -> u8 {
        2
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            segment_steps: Self::default_segment_steps(),
            segments: Self::default_segments(),
            auditors: Self::default_auditors(),
        }
    }
}

/// Money, in tokens written as decimal strings with at most six places.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Market {
    /// Paid to the provider for accepted work.
    #[serde(default = "Market::default_price")]
    pub price: String,
    /// Locked by the provider until the order is settled.
    #[serde(default = "Market::default_provider_bond")]
    pub provider_bond: String,
    /// Locked by each auditor until the order is settled.
    #[serde(default = "Market::default_auditor_bond")]
    pub auditor_bond: String,
    /// Paid to each auditor for a correct reveal.
    #[serde(default = "Market::default_auditor_fee")]
    pub auditor_fee: String,
    /// Providers tried before the order is refunded.
    #[serde(default = "Market::default_attempts")]
    pub attempts: u8,
}

impl Market {
    fn default_price() -> String {
        "10".to_owned()
    }
    fn default_provider_bond() -> String {
        "20".to_owned()
    }
    fn default_auditor_bond() -> String {
        "5".to_owned()
    }
    fn default_auditor_fee() -> String {
        "0.5".to_owned()
    }
    fn default_attempts() -> u8 {
        3
    }
}

impl Default for Market {
    fn default() -> Self {
        Self {
            price: Self::default_price(),
            provider_bond: Self::default_provider_bond(),
            auditor_bond: Self::default_auditor_bond(),
            auditor_fee: Self::default_auditor_fee(),
            attempts: Self::default_attempts(),
        }
    }
}

/// Blocks each phase of an order may take.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Deadlines {
    /// Finding a provider.
    pub assign: u32,
    /// Handing the keys to the provider.
    pub grant: u32,
    /// Doing the work and committing to its trace.
    pub run: u32,
    /// Opening the starts of the drawn segments.
    pub open: u32,
    /// Replaying them and committing to the answers.
    pub audit: u32,
    /// Revealing the answers.
    pub reveal: u32,
    /// Complaining about the delivery.
    pub complain: u32,
    /// One round of a dispute.
    pub dispute: u32,
    /// The validators' replay of a disputed step.
    pub attest: u32,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            assign: 300,
            grant: 300,
            run: 6_000,
            open: 300,
            audit: 3_000,
            reveal: 300,
            complain: 300,
            dispute: 300,
            attest: 3_000,
        }
    }
}

impl From<Deadlines> for assay_ledger::Deadlines {
    fn from(blocks: Deadlines) -> Self {
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
        } = blocks;
        Self {
            assign,
            grant,
            run,
            open,
            audit,
            reveal,
            dispute,
            attest,
            complain,
        }
    }
}

/// Reads a decimal amount of tokens, naming the field in the error.
pub(crate) fn amount(field: &'static str, text: &str) -> Result<Amount, JobError> {
    text.parse::<Amount>()
        .map_err(|e| JobError::value(field, format!("{text:?}: {e}")))
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
