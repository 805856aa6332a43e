//! Returns a genuine piece, but another one than was asked for.

use assay_ledger::AccountId;
use assay_vault::wire::{Request, Response};
use assay_vault::{Millis, Piece};

use crate::vault::{Answer, Honest, Node};

/// An honest node that answers with others' pieces.
pub struct Mixer {
    /// What it would be if it were honest.
    pub node: Honest,
    /// What it answers with.
    pub pieces: Vec<Piece>,
}

impl Node for Mixer {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        match request {
            Request::Get { digest } => {
                let other = self.pieces.iter().find(|piece| piece.digest() != digest);
                let piece = other.unwrap().clone();
                Answer::After(5, Response::Piece { piece })
            }
            request => {
                if let Request::Put { piece, .. } = &request {
                    self.pieces.push(piece.clone());
                }
                self.node.answer(now, from, request)
            }
        }
    }
}
