//! Breaks every other connection.

use assay_ledger::AccountId;
use assay_vault::Millis;
use assay_vault::wire::Request;

use crate::vault::{Answer, Honest, Node};

/// An honest node on a bad connection.
pub struct Flaky {
    /// What it would be if it were honest.
    pub node: Honest,
    /// Requests so far.
    pub asked: usize,
}

impl Node for Flaky {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        self.asked += 1;
        if self.asked.is_multiple_of(2) {
            self.node.answer(now, from, request)
        } else {
            Answer::Broken
        }
    }
}
