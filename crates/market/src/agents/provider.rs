//! A provider: it accepts, computes, commits, and shows what it is asked for. It may fake a share of its
//! segments, which is the one thing about which the lazy differ from the honest.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_crypto::release::LockSecret;
use assay_crypto::stream::Stream;
use assay_ledger::{
    BoundedVec, FileId, Order, OrderCall, Phase, SealedKeys, SegmentIndex, StepIndex,
};

use crate::scene::{Agent, Scene};
use crate::work::Trace;

/// A provider that fakes a share of its segments.
pub(crate) struct Provider {
    /// Share of the segments that it fakes, in parts per million: each of them with that chance.
    faked_ppm: u32,
    /// The file that it names as each of its checkpoints.
    file: FileId,
    dice: Stream,
}

impl Provider {
    /// One that computes everything.
    pub(crate) fn honest(file: FileId) -> Self {
        Self::lazy(file, 0, 0)
    }

    /// One that fakes a share, chosen by dice of its own before anything is drawn.
    pub(crate) fn lazy(file: FileId, faked_ppm: u32, seed: u64) -> Self {
        Self {
            faked_ppm,
            file,
            dice: Stream::new(Digest::of("assay/market/v1", &[]), "lazy", seed),
        }
    }

    fn commits(&mut self, scene: &mut Scene<'_>) {
        let terms = &scene.order.head.terms;
        let Some(run) = scene.order.run() else { return };
        let Some(seed) = run.seed else { return };
        let (order, run) = (scene.order.head.id, run.index);
        let segments = (0..terms.segments()).map(SegmentIndex);
        let mut fakes = |_: &SegmentIndex| self.dice.below(1_000_000) < self.faked_ppm.into();
        let faked: BTreeSet<_> = segments.filter(&mut fakes).collect();
        let (trace, computed) = Trace::new(&seed, terms, &faked);
        let checkpoints = vec![self.file; terms.segments() as usize];
        scene.computes(computed);
        scene.say(OrderCall::CommitTrace {
            place: scene.order.work(run),
            root: trace.root(),
            checkpoints: BoundedVec::new(checkpoints).unwrap_or_default(),
            result: self.file,
            counts: trace.counts(),
            first_invalid: None,
            lock: lock(scene).public(),
        });
        scene.vault.keep(order, run, trace);
    }
}

/// What a provider shows and says of a run that it has committed to.
pub(crate) fn answers(scene: &mut Scene<'_>) {
    let order = scene.order;
    let Some(run) = order.run() else { return };
    let terms = &order.head.terms;
    let open = |scene: &Scene<'_>, steps: &[StepIndex]| {
        let trace = scene.vault.trace(order.head.id, run.index)?;
        BoundedVec::new(trace.openings(steps)).ok()
    };
    match (order.head.phase, order.round_place(), run.round()) {
        (Phase::Opening, Some(place), Some(round)) if round.starts.is_empty() => {
            let seats = round.seats.iter().map(|seat| seat.auditor);
            for grantee in seats {
                scene.say(OrderCall::Grant {
                    place,
                    grantee,
                    sealed: keys(),
                });
            }
            if let Some(openings) = open(scene, &run.starts(terms)) {
                scene.say(OrderCall::OpenStarts { place, openings });
            }
        }
        (Phase::Closing, Some(place), _) => {
            if let Some(openings) = open(scene, &run.ends(terms)) {
                scene.say(OrderCall::OpenEnds { place, openings });
            }
        }
        (Phase::Bisecting, _, _) => bisects(scene, order),
        (Phase::Delivering, _, _) => {
            let place = order.work(run.index);
            let use_of = assay_ledger::Trace::locked_for(&place);
            let nonce = Digest::of("assay/market/nonce/v1", &[&use_of.0]);
            let release = lock(scene).release(&use_of, &terms.delivery_key, &nonce.0);
            if let Ok(release) = release {
                scene.say(OrderCall::Deliver { place, release });
            }
        }
        _ => {}
    }
}

/// What locks the states of a provider's runs.
fn lock(scene: &Scene<'_>) -> LockSecret {
    LockSecret::from_seed(&Digest::of("assay/market/lock/v1", &[&scene.me.0]).0)
}

fn bisects(scene: &mut Scene<'_>, order: &Order) {
    let (Some(dispute), Some(place)) = (order.dispute(), order.dispute_place()) else {
        return;
    };
    let Some(step) = dispute.middle().filter(|_| dispute.provider_move.is_none()) else {
        return;
    };
    let Some(trace) = scene.vault.trace(order.head.id, dispute.run) else {
        return;
    };
    let (leaf, path) = (trace.leaf(step), Some(trace.path(step)));
    scene.say(OrderCall::Bisect {
        place,
        step,
        leaf,
        path,
    });
}

/// Sealed keys, as long as real ones are: the fee of a call goes by its length.
pub(crate) fn keys() -> SealedKeys {
    SealedKeys::new(vec![7; 512]).unwrap_or_default()
}

impl Agent for Provider {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        match scene.order.head.phase {
            Phase::Asked => scene.accepts(),
            Phase::Running if scene.is_provider() => self.commits(scene),
            _ if scene.is_provider() => answers(scene),
            _ => {}
        }
    }
}
