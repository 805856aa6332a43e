//! A provider that takes orders and gives them back once it holds the keys: it has seen the inputs, and
//! done no work.

use assay_ledger::{DeclineReason, OrderCall, Phase};

use crate::scene::{Agent, Scene};

/// It accepts, and declines with the keys in hand.
pub(crate) struct Returning;

impl Agent for Returning {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        match scene.order.head.phase {
            Phase::Asked => scene.accepts(),
            Phase::Running if scene.is_provider() => {
                if let Some(run) = scene.order.run() {
                    scene.say(OrderCall::Decline {
                        place: scene.order.work(run.index),
                        reason: DeclineReason::Inputs,
                    });
                }
            }
            _ => {}
        }
    }
}
