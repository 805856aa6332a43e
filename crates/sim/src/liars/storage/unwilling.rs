//! Takes and commits everything, and never agrees to keep it.

use assay_ledger::AccountId;
use assay_vault::Millis;
use assay_vault::wire::{Refusal, Request, Response};

use crate::vault::{Answer, Honest, Node};

/// An honest node up to the moment at which it should sign.
pub struct Unwilling(pub Honest);

impl Node for Unwilling {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        match request {
            Request::Accept(_) => Answer::After(5, Response::Refused(Refusal::Busy)),
            request => self.0.answer(now, from, request),
        }
    }
}
