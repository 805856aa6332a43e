//! Returns bytes of the right length that mean nothing.

use assay_ledger::AccountId;
use assay_vault::wire::{Request, Response};
use assay_vault::{Millis, Piece};

use crate::vault::{Answer, Honest, Node, bytes};

/// An honest node whose answers are replaced.
pub struct Garbage(pub Honest);

impl Node for Garbage {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        match self.0.answer(now, from, request) {
            Answer::After(delay, Response::Piece { piece }) => {
                let piece = Piece::new(bytes(piece.len(), 66)).unwrap();
                Answer::After(delay, Response::Piece { piece })
            }
            other => other,
        }
    }
}
