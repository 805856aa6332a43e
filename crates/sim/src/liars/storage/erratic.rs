//! Misbehaves differently with every request, as a script says.

use assay_ledger::AccountId;
use assay_vault::wire::{Refusal, Request, Response};
use assay_vault::{Millis, Piece};

use crate::vault::{Answer, Honest, Node};

/// An honest node with moods.
pub struct Erratic {
    /// What it would be if it were honest.
    pub node: Honest,
    /// One number per request, read round and round.
    pub script: Vec<u8>,
    /// Requests so far.
    pub asked: usize,
}

impl Node for Erratic {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        let mood = self.script[self.asked % self.script.len()];
        self.asked += 1;
        let honest = self.node.answer(now, from, request);
        match (mood, honest) {
            (0, _) => Answer::Silence,
            (1, _) => Answer::Broken,
            (2, _) => Answer::After(5, Response::Refused(Refusal::Busy)),
            (3, _) => Answer::After(5, Response::Free { bytes: 3 }),
            (4, Answer::After(_, response)) => Answer::After(2_500, response),
            (5, Answer::After(_, response)) => Answer::After(60_000, response),
            (6, Answer::After(delay, Response::Piece { piece })) => {
                let cut = piece.bytes()[..piece.len() / 2].to_vec();
                let piece = Piece::new(cut).unwrap();
                Answer::After(delay, Response::Piece { piece })
            }
            (_, honest) => honest,
        }
    }
}
