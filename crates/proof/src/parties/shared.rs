//! What several parties do alike.

use assay_crypto::EncryptionKey;
use assay_ledger::{AccountId, Order, OrderCall, Outcome as Ending, Phase, Place};
use borsh::BorshSerialize;

use crate::desk::Desk;
use crate::keys::GrantUse;
use crate::party::{CallTag, Identity, Outcome};
use crate::view::View;

/// How the order ended, in a final phase.
pub(super) fn close(order: &Order) -> Option<Outcome> {
    match (order.head.phase, order.head.outcome) {
        (Phase::Settled, _) => Some(Outcome::Settled),
        (Phase::Cancelled, _) => Some(Outcome::Cancelled),
        (Phase::Refunded, ending) => {
            Some(Outcome::Refunded(ending.unwrap_or(Ending::AttemptsUsed)))
        }
        _ => None,
    }
}

/// Hands keys to a party in its role.
pub(super) struct Handover<'a> {
    pub(super) view: &'a View,
    pub(super) me: &'a Identity,
    pub(super) place: Place,
}

impl Handover<'_> {
    /// Submits the grant unless it is on its way or made. A grantee whose key cannot be sealed to
    /// is passed over: nobody could ever reach it.
    pub(super) fn give<K: BorshSerialize>(
        &self,
        desk: &mut Desk,
        (to, key): (AccountId, &EncryptionKey),
        keys: &K,
        randomness: [u8; 32],
    ) {
        let (from, place) = (self.me.account, self.place);
        if self.view.grant(place, from, to).is_some() {
            return;
        }
        let grant = GrantUse { place, from, to };
        desk.submit(place, CallTag::Grant(to), self.view.height, || {
            Some(OrderCall::Grant {
                place,
                grantee: to,
                sealed: grant.seal(key, keys, randomness)?,
            })
        });
    }

    /// Grants every validator that has none in the open dispute.
    pub(super) fn give_validators<K: BorshSerialize>(&self, desk: &mut Desk, keys: &K) {
        for (validator, key) in &self.view.keys {
            let granted = self.view.grant(self.place, self.me.account, *validator);
            if granted.is_none() {
                let Some(randomness) = desk.random() else {
                    return;
                };
                self.give(desk, (*validator, key), keys, randomness);
            }
        }
    }
}
