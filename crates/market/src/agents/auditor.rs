//! An honest auditor: it replays every drawn segment, commits, reveals, and stands by what it found.

use std::collections::BTreeMap;

use assay_crypto::Digest;
use assay_ledger::{
    AuditResults, BoundedVec, Leaf, OrderCall, OrderId, Phase, Place, SegmentIndex,
};

use crate::scene::{Agent, Scene};
use crate::work;

/// An auditor.
#[derive(Default)]
pub(crate) struct Auditor {
    found: BTreeMap<Place, AuditResults>,
}

impl Auditor {
    /// Commits to results for the current round, and remembers them.
    pub(crate) fn commits(&mut self, scene: &mut Scene<'_>, results: AuditResults) {
        let Some(place) = scene.order.round_place() else {
            return;
        };
        let commitment = results.commitment(&place, scene.me, &salt());
        scene.say(OrderCall::CommitAudit { place, commitment });
        self.found.insert(place, results);
    }

    /// Reveals what it committed to.
    pub(crate) fn reveals(&mut self, scene: &mut Scene<'_>) {
        let place = scene.order.round_place();
        let Some((place, results)) = place.and_then(|place| self.found.get_key_value(&place))
        else {
            return;
        };
        scene.say(OrderCall::RevealAudit {
            place: *place,
            results: results.clone(),
            salt: salt(),
        });
    }

    /// Forgets all that is not about this order.
    fn keeps_only(&mut self, order: OrderId) {
        self.found.retain(|place, _| place.order == order);
    }
}

/// Whether this auditor has to commit now, to reveal now.
pub(crate) fn has_to(scene: &Scene<'_>) -> (bool, bool) {
    let phase = scene.order.head.phase;
    let seat = scene.order.seat(scene.me).filter(|seat| seat.stands());
    let commits = seat.is_some_and(|seat| seat.commitment.is_none());
    let reveals = seat.is_some_and(|seat| seat.commitment.is_some() && seat.results.is_none());
    (
        phase == Phase::Auditing && commits,
        phase == Phase::Revealing && reveals,
    )
}

/// The salt of everybody's commitments: nobody here looks for it.
pub(super) fn salt() -> Digest {
    Digest::of("assay/market/salt/v1", &[])
}

/// Replays every drawn segment from the states that the provider stored; counts what that takes.
pub(crate) fn replay(scene: &mut Scene<'_>) -> Option<AuditResults> {
    let order = scene.order;
    let terms = &order.head.terms;
    let run = order.run()?;
    let round = run.round()?;
    let mut ends: BTreeMap<SegmentIndex, Option<Digest>> = BTreeMap::new();
    for (first, last) in run.stretches() {
        let (start, until) = (terms.segment_start(first), terms.segment_end(last));
        let stored = scene.vault.state(order.head.id, run.index, start);
        let begin = stored.filter(|state| run.opened(start) == Some(state.leaf(start)));
        let segments = (first.0..=last.0).map(SegmentIndex);
        let Some(begin) = begin else {
            ends.extend(segments.map(|segment| (segment, None)));
            continue;
        };
        let leaf = begin.leaf(start);
        let states = work::replay(&Leaf { step: start, leaf }, begin, until);
        scene.computes(until.0 - start.0);
        for segment in segments {
            let end = terms.segment_end(segment);
            let state = states.get((end.0 - start.0) as usize);
            ends.insert(segment, state.map(|state| state.leaf(end)));
        }
    }
    let first = work::first(&run.seed?);
    results(
        first.leaf(assay_ledger::StepIndex(0)),
        &round.segments,
        |segment| ends.get(segment).copied().flatten(),
    )
}

/// Results for these segments.
pub(crate) fn results(
    initial: Digest,
    segments: &[SegmentIndex],
    end: impl Fn(&SegmentIndex) -> Option<Digest>,
) -> Option<AuditResults> {
    let segments = segments.iter().map(|segment| (*segment, end(segment)));
    Some(AuditResults {
        initial: Some(initial),
        segments: BoundedVec::new(segments.collect::<Vec<_>>()).ok()?,
    })
}

/// Says in a dispute what a replay from where both agree gives; it has computed that already.
pub(crate) fn bisects(scene: &mut Scene<'_>) {
    let order = scene.order;
    let (Some(dispute), Some(place)) = (order.dispute(), order.dispute_place()) else {
        return;
    };
    let mine = dispute.challenger == scene.me && dispute.challenger_move.is_none();
    let Some(step) = dispute.middle().filter(|_| mine) else {
        return;
    };
    let from = dispute.from;
    let state = scene.vault.state(order.head.id, dispute.run, from.step);
    let replayed = state.map(|state| work::replay(&from, state, step));
    let Some(last) = replayed.as_ref().and_then(|states| states.last()) else {
        return;
    };
    scene.say(OrderCall::Bisect {
        place,
        step,
        leaf: last.leaf(step),
        path: None,
    });
}

impl Agent for Auditor {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        self.keeps_only(scene.order.head.id);
        match scene.order.head.phase {
            Phase::Called => return scene.accepts(),
            Phase::Bisecting => return bisects(scene),
            _ => {}
        }
        let (commits, reveals) = has_to(scene);
        if commits && let Some(found) = replay(scene) {
            self.commits(scene, found);
        }
        if reveals {
            self.reveals(scene);
        }
    }
}
