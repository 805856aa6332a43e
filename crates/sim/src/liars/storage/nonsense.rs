//! Answers every question with an answer to another one.

use assay_crypto::Digest;
use assay_ledger::AccountId;
use assay_vault::Millis;
use assay_vault::wire::{Request, Response};

use crate::vault::{Answer, Node};

/// Answers beside the question.
pub struct Nonsense;

impl Node for Nonsense {
    fn answer(&mut self, _: Millis, _: AccountId, request: Request) -> Answer {
        let response = match request {
            Request::Put { .. } => Response::Stored {
                digest: Digest::ZERO,
            },
            _ => Response::Free { bytes: 1 },
        };
        Answer::After(5, response)
    }
}
