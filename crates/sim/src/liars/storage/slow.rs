//! Honest, but takes its time.

use assay_ledger::AccountId;
use assay_vault::Millis;
use assay_vault::wire::Request;

use crate::vault::{Answer, Honest, Node};

/// An honest node that answers late.
pub struct Slow {
    /// What it would be if it were honest.
    pub node: Honest,
    /// How long an answer takes, in milliseconds.
    pub delay_ms: u64,
}

impl Node for Slow {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        match self.node.answer(now, from, request) {
            Answer::After(_, response) => Answer::After(self.delay_ms, response),
            other => other,
        }
    }
}
