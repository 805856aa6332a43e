//! What a storage node does when its disk is done.

use assay_crypto::Digest;

use super::holding::HoldingState;
use super::{BackendError, Charge, Output, Shelf, State, StorageNode, reply};
use crate::piece::Piece;
use crate::wire::{Refusal, Response};

impl StorageNode {
    pub(super) fn written(
        &mut self,
        shelf: Shelf,
        digest: Digest,
        result: Result<(), BackendError>,
        out: &mut Vec<Output>,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let refusal = result.err().map(|error| self.refusal(&error));
        match shelf {
            Shelf::Pieces => self.piece_written(digest, refusal, out),
            Shelf::Holdings => self.row_written(digest, refusal, out),
        }
    }

    fn piece_written(&mut self, digest: Digest, refusal: Option<Refusal>, out: &mut Vec<Output>) {
        let Some(slot) = self.slots.get_mut(&digest) else {
            return;
        };
        let response = match refusal {
            None => Response::Stored { digest },
            Some(refusal) => Response::Refused(refusal),
        };
        for tag in std::mem::take(&mut slot.waiting) {
            reply(out, tag, response.clone());
        }
        if refusal.is_none() {
            slot.state = State::Held;
        } else {
            self.lose(&digest);
        }
    }

    fn row_written(&mut self, key: Digest, refusal: Option<Refusal>, out: &mut Vec<Output>) {
        let Some(holding) = self.holdings.get_mut(&key) else {
            return;
        };
        let response = match refusal {
            None => Response::Committed { file: holding.file },
            Some(refusal) => Response::Refused(refusal),
        };
        let state = std::mem::replace(&mut holding.state, HoldingState::Held);
        if let HoldingState::Writing { waiting } = state {
            for tag in waiting {
                reply(out, tag, response.clone());
            }
        }
        if refusal.is_some() {
            self.forget(key);
            self.drop_row(key);
        }
    }

    pub(super) fn read(
        &mut self,
        digest: Digest,
        result: Result<Option<Vec<u8>>, BackendError>,
        out: &mut Vec<Output>,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let response = match result {
            Err(_) => Response::Refused(Refusal::DiskFailed),
            Ok(bytes) => match bytes.and_then(|bytes| Piece::new(bytes).ok()) {
                Some(piece) if piece.digest() == digest => Response::Piece { piece },
                _ => {
                    self.lose(&digest);
                    Response::Refused(Refusal::Damaged)
                }
            },
        };
        for tag in self.reads.remove(&digest).unwrap_or_default() {
            reply(out, tag, response.clone());
        }
    }

    pub(super) fn removed(
        &mut self,
        shelf: Shelf,
        digest: Digest,
        result: Result<(), BackendError>,
        out: &mut Vec<Output>,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match (shelf, result) {
            // A row that could not be removed is harmless: it counts nothing, and after a restart
            // it is collected again.
            (Shelf::Holdings, _) => self.drop_row(digest),
            (Shelf::Pieces, result) => {
                let Some(slot) = self.slots.get_mut(&digest) else {
                    return;
                };
                let response = match result {
                    Ok(()) => Response::Deleted { digest },
                    Err(_) => Response::Refused(Refusal::DiskFailed),
                };
                for tag in std::mem::take(&mut slot.waiting) {
                    reply(out, tag, response.clone());
                }
                if matches!(response, Response::Deleted { .. }) {
                    self.drop_slot(&digest);
                } else {
                    slot.state = State::Held;
                    slot.since = self.now;
                }
            }
        }
    }

    /// The piece is not on the disk: forgotten, or remembered as lost while a file needs it.
    fn lose(&mut self, digest: &Digest) {
        let Some(slot) = self.slots.get_mut(digest) else {
            return;
        };
        if slot.state == State::Removing {
            return;
        }
        if slot.holdings == 0 {
            self.drop_slot(digest);
            return;
        }
        let bytes = std::mem::take(&mut slot.bytes);
        let claims = std::mem::take(&mut slot.claims);
        slot.state = State::Lost;
        let charge = Charge::piece(bytes);
        self.used -= charge;
        for account in claims {
            self.pending.release(account, charge);
        }
    }

    fn drop_row(&mut self, key: Digest) {
        if let Some(holding) = self.holdings.remove(&key) {
            self.used -= holding.charge();
            if let Some(committer) = holding.committer {
                self.pending.release(committer, holding.charge());
            }
        }
    }

    fn refusal(&self, error: &BackendError) -> Refusal {
        match error {
            BackendError::Full => Refusal::Full { free: 0 },
            BackendError::Failed(_) => Refusal::DiskFailed,
        }
    }
}
