//! Trainers are drawn, and their steps are audited as those of every run.

use assay_ledger::{
    Amount, FailureReason, OrderCall, OrderId, Outcome, Phase, SegmentIndex, StopRule, Terms, query,
};

use super::{TRAINERS, run, terms, world};
use crate::world::{BOND, Run, Who, World, blocks};

/// Brings an order to the audit of one trainer that says it took these steps.
fn audited(lies: impl Fn(Run) -> Run) -> (World, OrderId, OrderId, Run) {
    let mut world = world();
    let order = world.training(&terms(2));
    for who in TRAINERS {
        let said = lies(run(who, 0));
        let call = world.update_call(order, who, &said);
        world.apply(who, call);
    }
    world.hold_all(order);
    world.advance(1);
    let audits = world.audits(order);
    let [audit] = audits[..] else {
        panic!("one is drawn")
    };
    let said = lies(run(world.provider(audit), 0));
    (world, order, audit, said)
}

#[test]
fn an_audit_is_an_order_of_the_trainers_own_with_its_round_as_work() {
    let (world, order, audit, said) = audited(|run| run);
    let record = world.order(audit);
    let trainer = Who::of(record.head.requester);
    assert_eq!(world.provider(audit), trainer);
    let of = record.head.audit_of.unwrap();
    let number = world.trainer(order, trainer).number;
    assert_eq!((of.order, of.round, of.trainer), (order, 0, number));
    assert_eq!(of.requester, Who::Requester.id());
    let run = &record.runs[0];
    assert_eq!(run.seed, world.rounds(order).seed);
    assert_eq!(run.trace.as_ref().unwrap().root, said.root());
    let names: Vec<_> = record
        .head
        .terms
        .inputs
        .iter()
        .map(|of| of.name.to_string())
        .collect();
    assert_eq!(names, ["model", "rows"]);
    let spec = record.head.terms.spec.to_vec();
    assert_eq!(
        spec[spec.len() - 12..],
        [0, 0, 0, 0, 0, 0, 0, 0, number as u8, 0, 0, 0]
    );
    // It does not count as an order that the trainer has posted.
    let open = world.store.pairs().iter().filter(|(key, _)| key[0] == b'u');
    assert_eq!(open.count(), 1);
}

/// Who leaves out a share of the steps is found with at least that share, whatever the segments are like: the segment
/// that makes the update is replayed anyway, and no draw is spent on it.
#[test]
fn no_draw_of_an_audit_is_spent_on_the_segment_that_makes_the_update() {
    for (segment_steps, drawn, all) in [(4, 1, true), (2, 1, false), (5, 1, true), (1, 2, false)] {
        for seed in 0..12 {
            let mut world = world();
            world.beacon_seed = seed;
            let terms = Terms {
                segment_steps,
                segments_drawn: drawn,
                ..terms(1)
            };
            let terms = Terms {
                stop: StopRule {
                    stop_after: terms.stop.stop_after.min(segment_steps),
                    ..terms.stop
                },
                ..terms
            };
            let order = world.training(&terms);
            for who in TRAINERS {
                let call = world.update_call(order, who, &run(who, 0));
                world.apply(who, call);
            }
            world.hold_all(order);
            world.advance(1);
            let audit = world.audits(order)[0];
            world.fill(audit);
            let audited = world.order(audit);
            let replayed = &audited.round().unwrap().segments;
            let last = terms.segments() - 1;
            assert!(replayed.contains(&SegmentIndex(last)), "seed {seed}");
            let others = replayed.iter().filter(|at| at.0 < last).count();
            assert!(last == 0 || others > 0, "seed {seed}: {replayed:?}");
            if all {
                assert_eq!(replayed.len() as u32, terms.segments(), "seed {seed}");
            }
        }
    }
}

#[test]
fn a_trainer_that_did_other_work_loses_its_bond_and_its_update_does_not_count() {
    let (mut world, order, audit, said) = audited(|run| run.lying(3, "less work"));
    let liar = world.provider(audit);
    let number = world.trainer(order, liar).number;
    let truth = run(liar, 0);
    world.audit(audit, &said, |_, _| truth.clone());
    assert_eq!(world.phase(audit), Phase::Bisecting);
    world.bisect(audit, &said, &truth);
    let step = world.order(audit).dispute().unwrap().disputed.step;
    let leaf = Some(truth.at(step));
    world.judge(audit, &[(0, leaf), (1, leaf), (2, leaf)]);
    let ended = world.order(audit);
    assert_eq!(ended.head.outcome, Some(Outcome::AttemptsUsed));
    let failure = ended.runs[0].failed.unwrap();
    assert_eq!(failure.reason, FailureReason::WrongResult);
    assert_eq!(failure.slashed, Amount::tokens(20));
    let registration = world.registration(liar);
    assert_eq!(registration.bond.0, BOND.0 - 20_000_000);
    assert_eq!(
        (registration.locked, registration.serving),
        (Amount::ZERO, 0)
    );
    // It is out of the round and of the order, and the others go on.
    let rounds = world.rounds(order);
    assert!(!rounds.counted.has(number) && !rounds.present.has(number));
    assert_eq!(rounds.counted.count(), 2);
    assert_eq!(world.phase(order), Phase::Merging);
    world.merge(order, &[0, 1, 2], "model 1");
    world.advance(1);
    assert_eq!(world.phase(order), Phase::Training);
    assert_eq!(world.trainer(order, liar).stood, 0);
    let call = world.update_call(order, liar, &truth);
    assert!(matches!(
        world.would(liar, call),
        assay_ledger::Status::Refused(_)
    ));
    assert_eq!(world.rounds(order).present.count(), 2);
}

#[test]
fn a_trainer_that_opens_nothing_loses_its_bond_too() {
    let (mut world, order, audit, _) = audited(|run| run);
    let silent = world.provider(audit);
    world.fill(audit);
    assert_eq!(world.phase(audit), Phase::Opening);
    world.advance(blocks(terms(1).deadlines.open) + 2);
    let ended = world.order(audit);
    assert_eq!(ended.head.outcome, Some(Outcome::AttemptsUsed));
    assert_eq!(
        ended.runs[0].failed.unwrap().reason,
        FailureReason::Withheld
    );
    assert_eq!(world.registration(silent).bond.0, BOND.0 - 20_000_000);
    assert_eq!(world.phase(order), Phase::Merging);
}

#[test]
fn a_trainer_that_is_accused_wrongly_keeps_its_bond_and_its_pay() {
    let (mut world, order, audit, said) = audited(|run| run);
    let honest = world.provider(audit);
    let before = world.balance(honest);
    let lie = said.clone().lying(2, "framing");
    let auditors = world.audit(audit, &said, |i, _| match i {
        0 => lie.clone(),
        _ => said.clone(),
    });
    world.bisect(audit, &said, &lie);
    let step = world.order(audit).dispute().unwrap().disputed.step;
    let leaf = Some(said.at(step));
    world.judge(audit, &[(0, leaf), (1, leaf), (2, leaf)]);
    assert!(world.registration(auditors[0]).bond < BOND);
    // Another auditor is found, and finds what the trainer did.
    world.fill(audit);
    world.audit(audit, &said, |_, _| said.clone());
    assert_eq!(world.phase(audit), Phase::Settled);
    assert!(world.balance(honest) > before);
    let trainer = world.trainer(order, honest);
    assert_eq!(trainer.stood, 1);
    assert_eq!(world.registration(honest).locked, Amount::tokens(20));
    assert_eq!(world.phase(order), Phase::Merging);
}

#[test]
fn no_side_of_the_rounds_audits_a_trainer() {
    let (mut world, _, audit, _) = audited(|run| run);
    world.advance(1);
    let asked = world.ranked(audit);
    assert!(!asked.is_empty());
    let owner = |who: &Who| query::owner(&world.store, &who.id()).unwrap();
    let sides = [Who::Requester.id(), world.order(audit).head.requester];
    assert!(asked.iter().all(|who| !sides.contains(&owner(who))));
}

#[test]
fn what_an_audit_does_not_spend_goes_back_to_the_rounds() {
    let (mut world, order, audit, said) = audited(|run| run);
    let held = world.order(audit).head.escrow;
    let before = world.order(order).head.escrow;
    world.audit(audit, &said, |_, _| said.clone());
    // The trainer's price and two fees were spent.
    let back = held.0 - 2_000_000;
    assert_eq!(world.order(order).head.escrow.0, before.0 + back);
    assert_eq!(world.order(audit).head.escrow, Amount::ZERO);
    let cancel = OrderCall::Cancel { order: audit };
    assert!(matches!(
        world.would(Who::Requester, cancel),
        assay_ledger::Status::Refused(_)
    ));
}

/// What is merged is made by the last step: whoever does all the others right and lies there is always found.
#[test]
fn the_last_segment_of_a_round_is_always_replayed() {
    let mut terms = terms(2);
    terms.segments_drawn = 1;
    let last = assay_ledger::SegmentIndex(terms.segments() - 1);
    for seed in 0..12 {
        let mut world = world();
        world.beacon_seed = seed;
        let order = world.training(&terms);
        let audit = world.checking(order)[0];
        world.fill(audit);
        let drawn = world.order(audit).round().unwrap().segments.clone();
        assert!(drawn.contains(&last), "{drawn:?}");
    }
}
