//! The honest parties of an order.

mod auditor;
mod provider;
mod requester;
mod validator;

pub use auditor::Auditor;
pub use provider::Provider;
pub use requester::Requester;
pub use validator::Validator;

use assay_ledger::{AccountId, Call, Order, Outcome as Ending, Phase, Role};
use borsh::BorshSerialize;

use crate::desk::Desk;
use crate::keys::GrantUse;
use crate::party::{CallTag, Identity, Outcome};
use crate::view::View;

/// How the order ended, in a final phase.
fn close(order: &Order) -> Option<Outcome> {
    match (order.phase, order.outcome) {
        (Phase::Settled, _) => Some(Outcome::Settled),
        (Phase::Cancelled, _) => Some(Outcome::Cancelled),
        (Phase::Refunded, ending) => Some(Outcome::Refunded(ending.unwrap_or(Ending::NoVerdict))),
        _ => None,
    }
}

/// Hands keys to a party in its role.
struct Handover<'a> {
    view: &'a View,
    me: &'a Identity,
    occasion: u8,
}

impl Handover<'_> {
    /// Submits the grant unless it is on its way. A grantee whose registered key cannot be sealed
    /// to is passed over: nobody could ever reach it.
    fn give<K: BorshSerialize>(
        &self,
        desk: &mut Desk,
        (to, role): (AccountId, Role),
        keys: &K,
        randomness: [u8; 32],
    ) {
        let order = &self.view.order;
        let Some(key) = self.view.keys.get(&(to, role)) else {
            return;
        };
        let grant = GrantUse {
            order: order.id,
            attempt: order.attempt,
            from: self.me.account,
            to,
        };
        let tag = (self.occasion, CallTag::Grant(to));
        desk.submit(order, tag, self.view.height, || {
            Some(Call::Grant {
                order: order.id,
                grantee: to,
                sealed: grant.seal(key, keys, randomness)?,
            })
        });
    }

    /// Grants every validator that has none since the dispute was opened.
    fn give_validators<K: BorshSerialize>(&self, desk: &mut Desk, keys: &K) {
        let Some(dispute) = self.view.order.dispute() else {
            return;
        };
        for validator in &self.view.validators {
            if !self
                .view
                .granted(self.me.account, *validator, dispute.opened)
            {
                let Some(randomness) = desk.random() else {
                    return;
                };
                self.give(desk, (*validator, Role::Validator), keys, randomness);
            }
        }
    }
}
