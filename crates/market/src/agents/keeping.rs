//! A provider that works and is found to have worked, and keeps the result: in the hope that its requester
//! pays for it a second time.

use assay_ledger::Phase;

use super::provider::Provider;
use crate::scene::{Agent, Scene};

/// It releases no key.
pub(crate) struct Keeping(pub(crate) Provider);

impl Agent for Keeping {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        if scene.order.head.phase != Phase::Delivering {
            self.0.moves(scene);
        }
    }
}
