//! An auditor in league with a provider. Where all seats are theirs it passes whatever the provider did,
//! unseen. Where an honest auditor sits too, who would find it, it accuses the provider itself, so that a
//! part of the bond comes back.

use std::collections::BTreeSet;

use assay_ledger::{AccountId, AuditResults, OrderCall, Phase, StepIndex};

use super::auditor::{Auditor, bisects, has_to, replay, results};
use crate::scene::{Agent, Scene};

/// An auditor that has friends.
pub(crate) struct Accomplice {
    friends: BTreeSet<AccountId>,
    /// Whose orders it leaves to others.
    decoys: Option<AccountId>,
    auditor: Auditor,
}

impl Accomplice {
    /// One of these.
    pub(crate) fn new(friends: BTreeSet<AccountId>) -> Self {
        let auditor = Auditor::default();
        Self {
            friends,
            decoys: None,
            auditor,
        }
    }

    /// The same, taking no seat in orders of this requester.
    pub(crate) fn shunning(self, decoys: AccountId) -> Self {
        let decoys = Some(decoys);
        Self { decoys, ..self }
    }

    fn answers(&self, scene: &mut Scene<'_>) {
        let shuns = self.decoys == Some(scene.order.head.requester);
        if !shuns {
            return scene.accepts();
        }
        if let Some(place) = scene.order.list_place()
            && scene.order.has_to_answer(scene.me)
        {
            let accept = false;
            scene.say(OrderCall::Answer { place, accept });
        }
    }

    fn among_friends(&self, scene: &Scene<'_>) -> bool {
        let seats = scene.order.round().into_iter().flat_map(|of| &of.seats);
        let mut parties = seats.map(|seat| seat.auditor).chain(scene.order.provider());
        parties.all(|account| self.friends.contains(&account))
    }
}

/// What the provider will open, as an accomplice is told beforehand.
pub(crate) fn told(scene: &Scene<'_>) -> Option<AuditResults> {
    let run = scene.order.run()?;
    let trace = scene.vault.trace(scene.order.head.id, run.index)?;
    let terms = &scene.order.head.terms;
    results(
        trace.leaf(StepIndex(0)),
        &run.round()?.segments,
        |segment| Some(trace.leaf(terms.segment_end(*segment))),
    )
}

impl Agent for Accomplice {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        match scene.order.head.phase {
            Phase::Called => return self.answers(scene),
            Phase::Bisecting => return bisects(scene),
            _ => {}
        }
        let (commits, reveals) = has_to(scene);
        if commits {
            let found = match self.among_friends(scene) {
                true => told(scene),
                false => replay(scene),
            };
            if let Some(found) = found {
                self.auditor.commits(scene, found);
            }
        }
        if reveals {
            self.auditor.reveals(scene);
        }
    }
}
