//! Honest, but takes its time.

use assay_ledger::AccountId;
use assay_vault::Millis;
use assay_vault::wire::Request;

use crate::support::{Answer, Honest, Node};

pub(crate) struct Slow {
    pub(crate) node: Honest,
    pub(crate) delay_ms: u64,
}

impl Node for Slow {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        match self.node.answer(now, from, request) {
            Answer::After(_, response) => Answer::After(self.delay_ms, response),
            other => other,
        }
    }
}
