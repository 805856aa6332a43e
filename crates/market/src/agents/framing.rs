//! An auditor that accuses honest providers, for the share of their bond that a challenger gets who is
//! right.

use assay_crypto::Digest;
use assay_ledger::{AuditResults, OrderCall, Phase};

use super::auditor::{Auditor, has_to, replay};
use crate::scene::{Agent, Scene};

/// Of what it accuses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accusation {
    /// That a segment ends otherwise.
    WrongEnd,
    /// That it was shown nothing from which to begin.
    NothingShown,
}

/// It replays, and says something else.
pub(crate) struct Framing {
    says: Accusation,
    auditor: Auditor,
}

impl Framing {
    pub(crate) fn new(says: Accusation) -> Self {
        let auditor = Auditor::default();
        Self { says, auditor }
    }

    fn twisted(&self, mut found: AuditResults) -> AuditResults {
        let lie = match self.says {
            Accusation::WrongEnd => Some(lie()),
            Accusation::NothingShown => None,
        };
        let mut segments = found.segments.to_vec();
        if let Some((_, leaf)) = segments.last_mut() {
            *leaf = lie;
        }
        found.segments = assay_ledger::BoundedVec::new(segments).unwrap_or_default();
        found
    }
}

fn lie() -> Digest {
    Digest::of("assay/market/framed/v1", &[])
}

impl Agent for Framing {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        match scene.order.head.phase {
            Phase::Called => return scene.accepts(),
            Phase::Bisecting => return insists(scene),
            _ => {}
        }
        let (commits, reveals) = has_to(scene);
        if commits && let Some(found) = replay(scene) {
            let twisted = self.twisted(found);
            self.auditor.commits(scene, twisted);
        }
        if reveals {
            self.auditor.reveals(scene);
        }
    }
}

/// Says of every step that it came to something else than the provider shows.
fn insists(scene: &mut Scene<'_>) {
    let (Some(dispute), Some(place)) = (scene.order.dispute(), scene.order.dispute_place()) else {
        return;
    };
    let mine = dispute.challenger == scene.me && dispute.challenger_move.is_none();
    if let Some(step) = dispute.middle().filter(|_| mine) {
        scene.say(OrderCall::Bisect {
            place,
            step,
            leaf: lie(),
            path: None,
        });
    }
}
