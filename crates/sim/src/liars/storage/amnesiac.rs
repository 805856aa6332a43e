//! Acknowledges everything and keeps nothing.

use assay_ledger::AccountId;
use assay_vault::Millis;
use assay_vault::wire::{Refusal, Request, Response};

use crate::vault::{Answer, Node, agreed};

/// Acknowledges, and forgets at once.
pub struct Amnesiac;

impl Node for Amnesiac {
    fn answer(&mut self, _: Millis, _: AccountId, request: Request) -> Answer {
        let response = match request {
            Request::Put { digest, .. } => Response::Stored { digest },
            Request::Commit { file, .. } => Response::Committed { file },
            // What it signs is not looked at before somebody reads.
            Request::Accept(_) => Response::Accepted(agreed()),
            _ => Response::Refused(Refusal::Unknown),
        };
        Answer::After(5, response)
    }
}
