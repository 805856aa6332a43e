//! Returns every piece with one bit changed.

use assay_ledger::AccountId;
use assay_vault::wire::{Request, Response};
use assay_vault::{Millis, Piece};

use crate::vault::{Answer, Honest, Node};

/// An honest node whose answers are changed.
pub struct BitFlipper(pub Honest);

impl Node for BitFlipper {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        match self.0.answer(now, from, request) {
            Answer::After(delay, Response::Piece { piece }) => {
                let mut bytes = piece.bytes().to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                let piece = Piece::new(bytes).unwrap();
                Answer::After(delay, Response::Piece { piece })
            }
            other => other,
        }
    }
}
