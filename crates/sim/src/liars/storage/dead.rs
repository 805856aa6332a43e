//! Cannot be reached.

use assay_ledger::AccountId;
use assay_vault::Millis;
use assay_vault::wire::Request;

use crate::vault::{Answer, Node};

/// Is not there.
pub struct Dead;

impl Node for Dead {
    fn answer(&mut self, _: Millis, _: AccountId, _: Request) -> Answer {
        Answer::Broken
    }
}
