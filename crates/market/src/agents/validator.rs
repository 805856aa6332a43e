//! An honest validator: it replays what is disputed and attests what it finds, and audits where auditors
//! cannot be had.

use assay_crypto::Digest;
use assay_ledger::{
    Attestation, Dispute, Finding, Order, OrderCall, Phase, Piece, Question, StepIndex,
};

use super::auditor::{Auditor, salt};
use crate::scene::{Agent, Scene};
use crate::work;

/// A validator.
#[derive(Default)]
pub(crate) struct Validator(Auditor);

impl Agent for Validator {
    fn moves(&mut self, scene: &mut Scene<'_>) {
        if scene.order.seat(scene.me).is_some() {
            self.0.moves(scene);
        }
        let order = scene.order;
        let (Some(dispute), Some(place)) = (order.dispute(), order.dispute_place()) else {
            return;
        };
        let mut said = dispute.attestations.iter();
        if order.head.phase != Phase::Attesting || said.any(|made| made.validator == scene.me) {
            return;
        }
        let mut committed = dispute.commitments.iter();
        let committed = committed.any(|made| made.validator == scene.me);
        let leaf = finding(scene, order, dispute);
        let found = leaf.map_or(Finding::Missing(Piece::Keys), Finding::Leaf);
        let validator = scene.me;
        match (committed, dispute.closed) {
            (false, None) => {
                let finding = Attestation { validator, found };
                let commitment = finding.commitment(&place, &salt());
                scene.say(OrderCall::CommitFinding { place, commitment });
            }
            (true, Some(_)) => {
                let salt = Some(salt());
                scene.say(OrderCall::Attest { place, found, salt });
            }
            // A quorum of the others has committed: all are honest, and nobody needs one more.
            _ => {}
        }
    }
}

fn finding(scene: &Scene<'_>, order: &Order, dispute: &Dispute) -> Option<Digest> {
    let run = order.run_at(dispute.run)?;
    let stored = |step| scene.vault.state(order.head.id, dispute.run, step);
    let from = dispute.from;
    match dispute.question {
        Question::Initial | Question::Beginning => Some(work::first(&run.seed?).leaf(StepIndex(0))),
        Question::Start | Question::Result => stored(from.step).map(|state| state.leaf(from.step)),
        Question::Step => {
            let states = work::replay(&from, stored(from.step)?, dispute.disputed.step);
            Some(states.last()?.leaf(dispute.disputed.step))
        }
    }
}
