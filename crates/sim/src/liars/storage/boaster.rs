//! Claims room that it does not have.

use assay_ledger::AccountId;
use assay_vault::Millis;
use assay_vault::wire::{Refusal, Request, Response};

use crate::vault::{Answer, Node};

/// Has no room, and says it has.
pub struct Boaster;

impl Node for Boaster {
    fn answer(&mut self, _: Millis, _: AccountId, request: Request) -> Answer {
        let response = match request {
            Request::Free => Response::Free { bytes: u64::MAX },
            _ => Response::Refused(Refusal::Full { free: u64::MAX }),
        };
        Answer::After(5, response)
    }
}
