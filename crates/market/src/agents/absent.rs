//! An auditor that takes seats and does not sit in them.

use assay_ledger::Phase;

use super::auditor::{Auditor, has_to, replay};
use crate::scene::{Agent, Scene};

/// It accepts, and says nothing; or it commits, and does not reveal.
#[derive(Default)]
pub(crate) struct Absent {
    /// Whether it commits at least.
    pub(crate) commits: bool,
    auditor: Auditor,
}

impl Absent {
    /// One that commits and then falls silent.
    pub(crate) fn unrevealed() -> Self {
        Self {
            commits: true,
            ..Self::default()
        }
    }
}

impl Agent for Absent {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        if scene.order.head.phase == Phase::Called {
            return scene.accepts();
        }
        if self.commits
            && has_to(scene).0
            && let Some(found) = replay(scene)
        {
            self.auditor.commits(scene, found);
        }
    }
}
