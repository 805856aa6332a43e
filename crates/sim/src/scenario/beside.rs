//! Orders beside the first one, in the same network.

use serde::{Deserialize, Serialize};

use super::orders::{OrderSettings, TermsSettings};
use super::rounds::RoundsSettings;
use crate::orders::{Beside, ProcedureName};

/// An order that is posted in the network of another one, and asks the same parties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BesideSettings {
    /// When it is posted: so many seconds after the first one, at most 10,000.
    #[serde(default)]
    pub after_seconds: u32,
    /// Whose it is: 0 is the first order's requester, and others follow.
    pub requester: usize,
    /// How it is done.
    pub procedure: ProcedureName,
    /// How many providers do it, for `redundant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u8>,
    /// What it is like in rounds, for `rounds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<RoundsSettings>,
    /// Providers tried for each copy.
    pub attempts: u8,
    /// Steps of the job, at most 10,000.
    pub steps: u64,
    /// Steps of a segment.
    pub segment_steps: u32,
    /// Every phase's deadline in seconds of ledger time, at most 10,000.
    pub deadline_seconds: u32,
    /// What it pays and locks, and how much of it is replayed; what its parties offer does not follow
    /// from it.
    #[serde(default)]
    pub terms: TermsSettings,
}

impl BesideSettings {
    /// The same order as the only one of its network, with the parties of `first`.
    pub(super) fn alone(&self, first: &OrderSettings) -> OrderSettings {
        OrderSettings {
            procedure: self.procedure,
            copies: self.copies,
            rounds: self.rounds,
            attempts: self.attempts,
            steps: self.steps,
            segment_steps: self.segment_steps,
            deadline_seconds: self.deadline_seconds,
            terms: self.terms,
            beside: Vec::new(),
            liars: Vec::new(),
            happenings: Vec::new(),
            ..first.clone()
        }
    }

    /// What is run.
    pub(super) fn plan(&self, first: &OrderSettings, seed: u64) -> Beside {
        Beside {
            after: self.after_seconds.into(),
            requester: self.requester,
            plan: self.alone(first).plan(seed),
        }
    }
}
