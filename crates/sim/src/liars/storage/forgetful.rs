//! Loses the first slice between storing and committing, admits it, and takes it again.

use assay_crypto::Digest;
use assay_ledger::AccountId;
use assay_vault::Millis;
use assay_vault::wire::{Flags, Refusal, Request, Response};

use crate::vault::{Answer, Honest, Node};

/// An honest node that loses a slice once.
pub struct Forgetful {
    /// What it would be if it were honest.
    pub node: Honest,
    /// The slice that it has lost.
    pub lost: Option<Digest>,
    /// Whether it has lost one before.
    pub has_lost: bool,
}

impl Node for Forgetful {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        match &request {
            Request::Commit { slices, .. } if !self.has_lost => {
                self.has_lost = true;
                self.lost = slices.as_slice().first().copied();
            }
            Request::Put { digest, .. } if self.lost == Some(*digest) => self.lost = None,
            _ => {}
        }
        match (self.lost, &request) {
            (Some(_), Request::Commit { .. }) => {
                Answer::After(5, Response::Refused(Refusal::Incomplete { missing: 1 }))
            }
            (Some(lost), Request::Has { digests }) => {
                let held = digests.as_slice().iter().map(|d| *d != lost).collect();
                Answer::After(
                    5,
                    Response::Has {
                        held: Flags::new(held),
                    },
                )
            }
            _ => self.node.answer(now, from, request),
        }
    }
}
