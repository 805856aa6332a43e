//! What an account has at a storage node outside recorded files, and what more it may bring.

use std::ops::Bound;

use assay_crypto::Digest;
use assay_ledger::AccountId;

use super::StorageNode;
use crate::wire::{MAX_HAS, Response, Unrecorded};

impl StorageNode {
    pub(super) fn room(&self, account: &AccountId) -> Response {
        Response::Room {
            free: self.free(),
            pending: self.pending.of(account).bytes,
            // What is recorded leaves less of what an account may have in all.
            allowed: self.config.pending_per_account.bytes.min(
                self.config
                    .held_per_account
                    .bytes
                    .saturating_sub(self.recorded.of(account).bytes),
            ),
            price: self.price(),
        }
    }

    /// The account's pieces above `after` that belong to no recorded file.
    pub(super) fn unrecorded(&self, account: &AccountId, after: Option<Digest>) -> Response {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut left = self.pending.of(account).bytes;
        let mut pieces = Vec::new();
        for (digest, slot) in self.slots.range((from, Bound::Unbounded)) {
            // What is accounted for is found: the rest of a full disk is not looked through.
            if left == 0 || pieces.len() == MAX_HAS {
                break;
            }
            if slot.claims.contains(account) {
                left = left.saturating_sub(slot.bytes);
                pieces.push((*digest, u32::try_from(slot.bytes).unwrap_or(u32::MAX)));
            }
        }
        Response::Pending {
            pieces: Unrecorded::new(pieces),
        }
    }
}
