//! What is refused: from trainers, from validators, and from those who set the terms.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_ledger::{
    Amount, Bits, BoundedVec, OrderCall, OrderId, OrderRefusal, Phase, ProcedureName, Refusal,
    RoundTerms, Status, StepIndex, Taken, Terms, rules,
};

use super::{TRAINERS, everybody, run, terms, world};
use crate::adversaries::calls;
use crate::places::{moved, others};
use crate::world::{Run, Who, World, file, file_id, parameters};

fn refusal(status: Status) -> OrderRefusal {
    match status {
        Status::Refused(Refusal::Order(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// A change that makes terms impossible, and the field that says so.
type Case = (&'static str, fn(&mut Terms));

#[test]
fn terms_that_make_no_sense_are_refused_with_what_would_be_right() {
    let cases: [Case; 16] = [
        ("merge_fee", |terms| {
            terms.rounds.as_mut().unwrap().merge_fee = Amount(1)
        }),
        ("most", |terms| {
            terms.rounds.as_mut().unwrap().update_bytes = 0
        }),
        ("most", |terms| {
            terms.rounds.as_mut().unwrap().update_bytes = u32::MAX
        }),
        ("deadlines.open", |terms| {
            terms.deadlines.run = terms.deadlines.open + 1
        }),
        ("rounds", |terms| terms.rounds.as_mut().unwrap().rounds = 0),
        ("most", |terms| terms.rounds.as_mut().unwrap().most = 4_097),
        ("least", |terms| terms.rounds.as_mut().unwrap().least = 0),
        ("least", |terms| terms.rounds.as_mut().unwrap().least = 4),
        ("audited", |terms| {
            terms.rounds.as_mut().unwrap().audited = 0
        }),
        ("audited", |terms| {
            terms.rounds.as_mut().unwrap().audited = 4
        }),
        ("copies", |terms| terms.copies = 2),
        ("attempts", |terms| terms.attempts = 2),
        ("provider_bond", |terms| {
            terms.provider_bond = Amount(2_999_999)
        }),
        ("provider_bond", |terms| {
            terms.provider_bond = Amount::tokens(41)
        }),
        ("rounds", |terms| terms.rounds = None),
        ("auditors", |terms| terms.auditors = 0),
    ];
    assert_eq!(rules::problems(&terms(2), &parameters()), []);
    for (field, change) in cases {
        let mut terms = terms(2);
        change(&mut terms);
        let found = rules::problems(&terms, &parameters());
        let named = found.iter().any(|problem| problem.field == field);
        assert!(named, "{field}: {found:?}");
    }
    // A bond that makes it worth more not to train is told with the formula.
    let mut low = terms(2);
    low.provider_bond = Amount::tokens(2);
    let found = rules::problems(&low, &parameters());
    assert!(
        found.iter().any(|of| of.text.contains("price * 3 / 1 = 3")),
        "{found:?}"
    );
    // Other kinds are not done in rounds.
    let other = Terms {
        rounds: Some(RoundTerms {
            rounds: 1,
            least: 1,
            most: 1,
            audited: 1,
            merge_fee: Amount::ZERO,
            update_bytes: 32,
        }),
        attempts: 1,
        ..crate::world::terms()
    };
    let found = rules::problems(&other, &parameters());
    assert!(found.iter().any(|of| of.field == "rounds"), "{found:?}");
}

#[test]
fn an_update_counts_once_in_its_round_from_its_trainer_and_as_its_trace_says() {
    let mut world = world();
    let order = world.training(&terms(2));
    let me = TRAINERS[0];
    let truth = run(me, 0);
    let good = world.update_call(order, me, &truth);
    let change = |by: &dyn Fn(&mut OrderCall)| {
        let mut call = good.clone();
        by(&mut call);
        call
    };
    let openings = |steps: [u64; 2], run: &Run| {
        let opened = steps.map(|step| run.opening(StepIndex(step)));
        BoundedVec::new(opened.to_vec()).unwrap()
    };
    let lie = Run::lie(&terms(1), 0, "another");
    let wrong: Vec<OrderCall> = vec![
        change(&|call| {
            if let OrderCall::CommitUpdate { root, .. } = call {
                *root = Digest::ZERO;
            }
        }),
        change(&|call| {
            if let OrderCall::CommitUpdate { openings: of, .. } = call {
                *of = openings([0, 4], &truth);
            }
        }),
        change(&|call| {
            if let OrderCall::CommitUpdate { openings: of, .. } = call {
                *of = openings([0, 5], &lie);
            }
        }),
        change(&|call| {
            if let OrderCall::CommitUpdate { openings: of, .. } = call {
                *of = BoundedVec::new(vec![truth.opening(StepIndex(5))]).unwrap();
            }
        }),
        change(&|call| {
            if let OrderCall::CommitUpdate { checkpoints, .. } = call {
                *checkpoints = BoundedVec::default();
            }
        }),
        change(&|call| {
            if let OrderCall::CommitUpdate { first_invalid, .. } = call {
                *first_invalid = Some(StepIndex(1));
            }
        }),
        change(&|call| {
            if let OrderCall::CommitUpdate { update, .. } = call {
                *update = file_id("nobody's");
            }
        }),
        change(&|call| {
            if let OrderCall::CommitUpdate { lock, .. } = call {
                lock.0 = [0; 32];
            }
        }),
    ];
    for call in wrong {
        assert!(
            matches!(world.would(me, call.clone()), Status::Refused(_)),
            "{call:?}"
        );
    }
    let place = good.place().unwrap();
    for other in others(place) {
        let call = moved(&good.clone().into(), other).unwrap();
        let refused = refusal(world.would(me, call));
        assert!(
            matches!(refused, OrderRefusal::OtherPlace { .. }),
            "{refused:?}"
        );
    }
    // Another's files, another trainer, and nobody at all.
    for who in [
        TRAINERS[1],
        Who::Stranger,
        Who::Requester,
        Who::Validator(0),
    ] {
        assert!(
            matches!(world.would(who, good.clone()), Status::Refused(_)),
            "{who:?}"
        );
    }
    world.apply(me, good.clone());
    assert!(matches!(
        refusal(world.would(me, good)),
        OrderRefusal::AlreadyDone { .. }
    ));
}

/// Rows of which every step gives a NaN, or that no machine takes, would else earn something in every round.
#[test]
fn steps_of_which_none_changed_anything_are_no_update() {
    let mut world = world();
    let order = world.training(&terms(2));
    let nothing = Run::of(&[
        Taken::Invalid,
        Taken::Invalid,
        Taken::Idle,
        Taken::Idle,
        Taken::Idle,
    ]);
    let idle = Run::of(&[Taken::Idle; 5]);
    for run in [nothing, idle] {
        let call = world.update_call(order, TRAINERS[0], &run);
        let refused = refusal(world.would(TRAINERS[0], call));
        assert!(
            matches!(refused, OrderRefusal::NothingLearned { .. }),
            "{refused:?}"
        );
    }
}

#[test]
fn validators_speak_once_of_what_was_sent_and_of_files_that_are_kept() {
    let mut world = world();
    let order = world.training(&terms(2));
    everybody(|who| world.send(order, who));
    let judge = Who::Validator(0);
    let never_sent: Bits = [0, 7].into_iter().collect();
    let call = world.hold_call(order, never_sent);
    assert!(matches!(
        refusal(world.would(judge, call)),
        OrderRefusal::NotSent { .. }
    ));
    let good = world.hold_call(order, world.rounds(order).sent);
    for who in [TRAINERS[0], Who::Stranger, Who::Requester, Who::Auditor(0)] {
        let refused = refusal(world.would(who, good.clone()));
        assert!(matches!(refused, OrderRefusal::NotYourMove { .. }));
    }
    world.apply(judge, good.clone());
    assert!(matches!(
        refusal(world.would(judge, good)),
        OrderRefusal::AlreadyDone { .. }
    ));
    for i in 1..4 {
        let call = world.hold_call(order, world.rounds(order).sent);
        world.apply(Who::Validator(i), call);
    }
    world.advance(1);
    world.pass_audits(order);
    assert_eq!(world.phase(order), Phase::Merging);
    let place = world.order(order).round_under_way().unwrap();
    let nowhere = OrderCall::AttestModel {
        place,
        file: file_id("no file"),
        content: Digest::ZERO,
        keeper: judge.id(),
    };
    assert!(matches!(world.would(judge, nowhere), Status::Refused(_)));
    let good = world.model_call(order, 0, "model 1");
    for who in [TRAINERS[0], Who::Requester] {
        assert!(matches!(world.would(who, good.clone()), Status::Refused(_)));
    }
    world.apply(judge, good.clone());
    assert!(matches!(
        refusal(world.would(judge, good)),
        OrderRefusal::AlreadyDone { .. }
    ));
}

#[test]
fn nobody_joins_without_rows_that_are_kept_or_a_bond_that_is_free() {
    let mut world = world();
    let order = world.post_rounds(&terms(2));
    let join = |rows: &str| OrderCall::Join {
        order,
        rows: file_id(rows),
        content: Digest::ZERO,
    };
    assert!(matches!(
        world.would(TRAINERS[0], join("nothing")),
        Status::Refused(_)
    ));
    let call = world.join_call(order, Who::Auditor(0));
    assert!(matches!(
        world.would(Who::Auditor(0), call),
        Status::Refused(_)
    ));
    // With five orders at 20 tokens each, no bond is left.
    for _ in 0..5 {
        let other = world.post_rounds(&terms(2));
        world.join(other, TRAINERS[0]);
    }
    let call = world.join_call(order, TRAINERS[0]);
    assert!(matches!(
        refusal(world.would(TRAINERS[0], call)),
        OrderRefusal::TooLittleBond { .. }
    ));
    TRAINERS[1..].iter().for_each(|who| world.join(order, *who));
}

/// Whatever anybody sends in any phase, nothing takes effect but what the table names; `block` checks money
/// and what is written after each.
#[test]
fn in_every_phase_only_the_moves_of_the_table_take_effect() {
    let mut world = world();
    let order = world.training(&terms(1));
    let mut phases = BTreeSet::new();
    look(&world, order, &mut phases);
    everybody(|who| world.send(order, who));
    look(&world, order, &mut phases);
    world.hold_all(order);
    look(&world, order, &mut phases);
    world.advance(1);
    look(&world, order, &mut phases);
    world.pass_audits(order);
    look(&world, order, &mut phases);
    world.merge(order, &[0, 1, 2], "model 1");
    look(&world, order, &mut phases);
    world.advance(1);
    look(&world, order, &mut phases);
    assert_eq!(phases.len(), 7, "{phases:?}");
}

fn look(world: &World, order: OrderId, phases: &mut BTreeSet<Phase>) {
    let phase = world.phase(order);
    phases.insert(phase);
    let life = ProcedureName::Rounds.life();
    let row = life.iter().find(|row| row.phase == phase).unwrap();
    for who in Who::all() {
        let mut calls = calls(world, order, who);
        calls.push(OrderCall::Leave { order }.into());
        for call in calls {
            let named = row.moves.iter().any(|known| known.call == call.name());
            let applied = world.would(who, call.clone()) == Status::Applied;
            assert!(named || !applied, "{who:?} in {phase}: {call:?}");
        }
    }
}

/// What nobody takes in could not be audited, and what is longer than an update would stop those who merge.
#[test]
fn rows_and_updates_that_are_too_long_are_refused() {
    let mut world = world();
    let order = world.post_rounds(&terms(2));
    let mut long = file(TRAINERS[0], "long");
    long.length_class = terms(2).memory + 1;
    world.apply(TRAINERS[0], world.put(long));
    let join = OrderCall::Join {
        order,
        rows: file_id("long"),
        content: Digest::ZERO,
    };
    let refused = refusal(world.would(TRAINERS[0], join));
    assert!(
        matches!(refused, OrderRefusal::RowsTooLong { .. }),
        "{refused:?}"
    );
    let mut other = terms(2);
    other.rounds.as_mut().unwrap().update_bytes = 33;
    let order = world.training(&other);
    let call = world.update_call(order, TRAINERS[0], &run(TRAINERS[0], 0));
    let refused = refusal(world.would(TRAINERS[0], call));
    assert!(
        matches!(refused, OrderRefusal::NoUpdate { found: 32, .. }),
        "{refused:?}"
    );
}

/// A keeper whose record of the model's file is a false one would keep everybody from reading it.
#[test]
fn a_model_whose_keeper_recorded_something_else_counts_apart() {
    let mut world = world();
    let order = world.joined(&terms(2));
    world.advance(1);
    let call = world.model_call(order, 0, "model");
    let liar = Who::Validator(3);
    let mut record = file(liar, "model");
    record.root = Digest::of("test/false", &[]);
    world.apply(liar, world.put(record));
    let OrderCall::AttestModel {
        place,
        file,
        content,
        ..
    } = call.clone()
    else {
        unreachable!()
    };
    let lie = OrderCall::AttestModel {
        place,
        file,
        content,
        keeper: liar.id(),
    };
    world.apply(liar, lie);
    world.apply(Who::Validator(0), call);
    world.merge(order, &[1], "model");
    assert_eq!(
        world.phase(order),
        Phase::Merging,
        "two are equal, and the liar's is another"
    );
    world.merge(order, &[2], "model");
    assert_eq!(world.phase(order), Phase::Training);
    let keepers = world.rounds(order).model.unwrap().keepers;
    assert!(keepers.len() == 3 && !keepers.contains(&liar.id()));
}

/// A second attempt follows from another seed: what was said of the first one says nothing of it.
#[test]
fn each_attempt_at_the_first_model_has_a_place_of_its_own() {
    let mut world = world();
    let order = world.joined(&terms(2));
    world.advance(1);
    let late = world.model_call(order, 0, "of the first seed");
    let seed = world.rounds(order).seed;
    while world.rounds(order).seed == seed {
        world.advance(1);
    }
    assert_eq!(world.phase(order), Phase::Merging);
    let refused = refusal(world.would(Who::Validator(0), late));
    assert!(
        matches!(refused, OrderRefusal::OtherPlace { .. }),
        "{refused:?}"
    );
    world.merge(order, &[0, 1, 2], "of the second seed");
    assert_eq!(world.phase(order), Phase::Training);
}

/// Whoever joins late or leaves keeps nobody waiting.
#[test]
fn a_round_goes_on_as_soon_as_nobody_is_awaited() {
    let mut world = world();
    let mut fewer = terms(2);
    fewer.rounds.as_mut().unwrap().least = 1;
    let order = world.training(&fewer);
    world.send(order, TRAINERS[0]);
    world.send(order, TRAINERS[1]);
    assert_eq!(world.phase(order), Phase::Training);
    world.apply(TRAINERS[2], OrderCall::Leave { order });
    assert_eq!(world.phase(order), Phase::Gathering);
}

#[test]
fn the_requester_does_not_train_for_itself() {
    let mut world = world();
    let order = world.post_rounds(&terms(2));
    let call = world.join_call(order, Who::Requester);
    let refused = refusal(world.would(Who::Requester, call));
    assert!(
        matches!(refused, OrderRefusal::NotYourMove { .. }),
        "{refused:?}"
    );
}
