//! Two auditors of one person who never said so: one replays, the other says the same. Nothing wrong is
//! passed, but of two independent looks that were paid for one was taken.

use std::collections::BTreeSet;

use assay_ledger::{AccountId, Phase};

use super::auditor::{Auditor, bisects, has_to, replay};
use crate::scene::{Agent, Scene};

/// An auditor that copies from a friend who sits in the same round, if there is one before it.
pub(crate) struct Sharing {
    friends: BTreeSet<AccountId>,
    auditor: Auditor,
}

impl Sharing {
    /// One of these.
    pub(crate) fn new(friends: BTreeSet<AccountId>) -> Self {
        let auditor = Auditor::default();
        Self { friends, auditor }
    }
}

impl Agent for Sharing {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        match scene.order.head.phase {
            Phase::Called => return scene.accepts(),
            Phase::Bisecting => return bisects(scene),
            _ => {}
        }
        let (commits, reveals) = has_to(scene);
        if commits {
            let seats = scene.order.round().into_iter().flat_map(|of| &of.seats);
            let mut ours = seats.filter(|seat| self.friends.contains(&seat.auditor));
            let copies = ours.next().is_some_and(|first| first.auditor != scene.me);
            let before = scene.steps;
            if let Some(found) = replay(scene) {
                if copies {
                    scene.steps = before;
                }
                self.auditor.commits(scene, found);
            }
        }
        if reveals {
            self.auditor.reveals(scene);
        }
    }
}
