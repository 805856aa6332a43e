//! An honest requester: it hands over its keys and says when it is content.

use assay_ledger::{OrderCall, Phase};

use super::provider::keys;
use crate::scene::{Agent, Scene};

/// A requester.
pub(crate) struct Requester;

/// Hands the provider the keys that it waits for.
pub(crate) fn grants(scene: &mut Scene<'_>) {
    if let (Some(run), Some(grantee)) = (scene.order.run(), scene.order.provider()) {
        scene.say(OrderCall::Grant {
            place: scene.order.work(run.index),
            grantee,
            sealed: keys(),
        });
    }
}

impl Agent for Requester {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        let order = scene.order.head.id;
        match scene.order.head.phase {
            Phase::Assigned => grants(scene),
            Phase::Accepted => scene.say(OrderCall::Accept { order }),
            _ => {}
        }
    }
}
