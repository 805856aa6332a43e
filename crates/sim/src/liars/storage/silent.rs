//! Takes every request and never answers.

use assay_ledger::AccountId;
use assay_vault::Millis;
use assay_vault::wire::Request;

use crate::vault::{Answer, Node};

/// Says nothing.
pub struct Silent;

impl Node for Silent {
    fn answer(&mut self, _: Millis, _: AccountId, _: Request) -> Answer {
        Answer::Silence
    }
}
