//! Trainers in the state.

use super::record::Trainer;
use crate::orders::keys;
use crate::state::State;
use crate::{AccountId, OrderId};

impl Trainer {
    /// Whether it may send an update in a round.
    pub fn takes_part(&self, round: u16) -> bool {
        self.since <= round && self.is_bound()
    }

    /// Whether its bond is locked: it has not gone, nor failed.
    pub fn is_bound(&self) -> bool {
        self.bond > crate::Amount::ZERO
    }

    /// What it sent in a round.
    pub fn sent_in(&self, round: u16) -> Option<&super::record::Sent> {
        self.sent.as_ref().filter(|sent| sent.round == round)
    }
}

/// An account's part in an order with rounds, if it ever joined it.
pub(in crate::orders) fn of(
    state: &State<'_>,
    order: &OrderId,
    account: &AccountId,
) -> Option<Trainer> {
    let number: u16 = state.load(&keys::trains(order, account))?;
    numbered(state, order, number)
}

/// The trainer with a number.
pub(super) fn numbered(state: &State<'_>, order: &OrderId, number: u16) -> Option<Trainer> {
    state.load(&keys::trainer(order, number))
}

/// Saves what has changed of a trainer.
pub(super) fn save(state: &mut State<'_>, order: &OrderId, trainer: &Trainer) {
    state.save_changed(keys::trainer(order, trainer.number), trainer);
}
