//! A provider that takes orders and does nothing for them.

use assay_ledger::Phase;

use crate::scene::{Agent, Scene};

/// It accepts, and is not heard of again.
pub(crate) struct Vanishing;

impl Agent for Vanishing {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        if scene.order.head.phase == Phase::Asked {
            scene.accepts();
        }
    }
}
