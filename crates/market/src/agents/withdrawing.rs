//! A requester that looks whom the beacon gives it, and what seed, and withdraws.

use assay_ledger::{OrderCall, Phase};

use crate::scene::{Agent, Scene};

/// It withdraws once the seed is drawn.
pub(crate) struct Withdrawing;

impl Agent for Withdrawing {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        let order = scene.order.head.id;
        if scene.order.head.phase == Phase::Assigned {
            scene.say(OrderCall::Cancel { order });
        }
    }
}
