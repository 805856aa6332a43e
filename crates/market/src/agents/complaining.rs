//! A requester that complains about every result, to have it for nothing.

use assay_ledger::{OrderCall, Phase};

use super::requester::grants;
use crate::scene::{Agent, Scene};

/// It complains once of each order.
pub(crate) struct Complaining;

impl Agent for Complaining {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        let order = scene.order.head.id;
        match scene.order.head.phase {
            Phase::Assigned => grants(scene),
            Phase::Accepted => scene.say(OrderCall::Complain { order }),
            _ => {}
        }
    }
}
