//! Takes every piece and breaks off when it should commit.

use assay_ledger::AccountId;
use assay_vault::Millis;
use assay_vault::wire::Request;

use crate::vault::{Answer, Honest, Node};

/// An honest node that never commits.
pub struct Uncommitted(pub Honest);

impl Node for Uncommitted {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        match request {
            Request::Commit { .. } => Answer::Broken,
            request => self.0.answer(now, from, request),
        }
    }
}
