//! An honest validator: it replays what is disputed and attests what it finds, and audits where auditors
//! cannot be had.

use assay_crypto::Digest;
use assay_ledger::{Dispute, Order, OrderCall, Phase, Question, StepIndex};

use super::auditor::Auditor;
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
        let leaf = finding(scene, order, dispute);
        scene.say(OrderCall::Attest { place, leaf });
    }
}

fn finding(scene: &Scene<'_>, order: &Order, dispute: &Dispute) -> Option<Digest> {
    let run = order.run_at(dispute.run)?;
    let stored = |step| scene.vault.state(order.head.id, dispute.run, step);
    let from = dispute.from;
    match dispute.question {
        Question::Initial => Some(work::first(&run.seed?).leaf(StepIndex(0))),
        Question::Start | Question::Result => stored(from.step).map(|state| state.leaf(from.step)),
        Question::Step => {
            let states = work::replay(&from, stored(from.step)?, dispute.disputed.step);
            Some(states.last()?.leaf(dispute.disputed.step))
        }
    }
}
