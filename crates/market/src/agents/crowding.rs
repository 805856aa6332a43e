//! A provider whose owner keeps the auditors of a network busy. It has small orders posted that ask for as
//! many auditors as there may be, takes them itself, and leaves them open once the auditors have taken
//! their seats. While they sit there they can sit nowhere else, and of those who are free only its
//! accomplices are left.

use assay_ledger::{AccountId, Phase};

use super::provider::Provider;
use crate::scene::{Agent, Scene};

/// A provider that fakes everything while others are kept busy.
pub(crate) struct Crowding {
    /// Who posts the small orders.
    decoys: AccountId,
    provider: Provider,
}

impl Crowding {
    pub(crate) fn new(decoys: AccountId, provider: Provider) -> Self {
        Self { decoys, provider }
    }
}

impl Agent for Crowding {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        let decoy = scene.order.head.requester == self.decoys;
        let waits = !matches!(scene.order.head.phase, Phase::Asked | Phase::Running);
        if !(decoy && waits) {
            self.provider.moves(scene);
        }
    }
}
