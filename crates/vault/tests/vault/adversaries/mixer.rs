//! Returns a genuine piece, but another one than was asked for.

use assay_ledger::AccountId;
use assay_vault::wire::{Request, Response};
use assay_vault::{Millis, Piece};

use crate::support::{Answer, Honest, Node};

pub(crate) struct Mixer {
    pub(crate) node: Honest,
    pub(crate) pieces: Vec<Piece>,
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
