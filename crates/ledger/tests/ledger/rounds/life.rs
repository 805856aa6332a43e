//! A whole life, who is paid for what, and the rounds in which not everything is there.

use assay_ledger::{Amount, Bits, OrderCall, OrderRefusal, Outcome, Phase, Refusal, Role, query};

use super::{TRAINERS, everybody, terms, world};
use crate::life_events::{expect, lines};
use crate::world::{BOND, Who, World};

fn pass(world: &mut World, order: assay_ledger::OrderId, phase: Phase) {
    assert_eq!(world.phase(order), phase);
    for _ in 0..60 {
        if world.phase(order) != phase {
            return;
        }
        world.advance(1);
    }
    panic!("{phase} does not end");
}

#[test]
fn two_rounds_are_trained_audited_merged_and_paid() {
    let mut world = world();
    let terms = terms(2);
    let before = world.balance(Who::Requester);
    let order = world.training(&terms);
    let first = world.rounds(order);
    assert_eq!((first.round, first.present.count()), (0, 3));
    world.whole_round(order);
    assert_eq!(world.phase(order), Phase::Training);
    let second = world.rounds(order);
    assert_eq!((second.round, second.sent.count()), (1, 0));
    assert_ne!(first.seed, second.seed);
    world.whole_round(order);
    let ended = world.order(order);
    assert_eq!(ended.head.phase, Phase::Settled);
    assert_eq!(ended.head.outcome, Some(Outcome::Paid));
    // Each trainer earned the price of both rounds, audited or not.
    for who in TRAINERS {
        assert_eq!(world.trainer(order, who).stood, 2);
        let registration = world.registration(who);
        assert_eq!(
            (registration.locked, registration.serving),
            (Amount::ZERO, 0)
        );
        assert_eq!(registration.bond, BOND);
    }
    // Three prices and two auditors' fees a round, and three merges; the thirds of a fee are rounded down.
    let third = 400_000 / 3;
    let cost = 2 * (3 * 1_000_000 + 2 * 500_000) + 3 * 3 * third;
    assert_eq!(world.spent(Who::Requester, before), cost);
    let open = query::list(
        &world.store,
        query::Which::WithPart(TRAINERS[0].id()),
        usize::MAX,
    );
    assert_eq!(open.unwrap().entries, []);
    world.replay();
}

#[test]
fn a_round_tells_what_happened_in_it() {
    let mut world = world();
    let order = world.training(&terms(1));
    let from = world.told.len();
    world.whole_round(order);
    let of_rounds = world.told[from..].iter().filter(|told| match &told.event {
        assay_ledger::Event::Order { order: of, event } => {
            *of == order && !matches!(event, assay_ledger::OrderEvent::Paid { .. })
        }
        _ => false,
    });
    expect(
        &lines(of_rounds),
        "
        16 0 update 0 Provider(0)
        18 0 update 0 Provider(1)
        20 0 update 0 Provider(2)
        20 0 phase gathering
        21 0 held Validator(0)
        21 1 held Validator(1)
        21 2 held Validator(2)
        21 3 held Validator(3)
        21 3 gathered 0: 3 of 3
        21 3 phase closed
        22 block drawn 0 Provider(1)
        22 block phase checking
        31 0 phase merging
        33 0 attested Validator(0)
        35 0 attested Validator(1)
        37 0 attested Validator(2)
        37 0 merged 0: 3
        37 0 phase between
        38 block left Provider(0)
        38 block left Provider(1)
        38 block left Provider(2)
        38 block ended Paid
        ",
    );
}

#[test]
fn too_few_trainers_cost_the_requester_nothing_and_keep_no_bond() {
    let mut world = world();
    let before = world.balance(Who::Requester);
    let order = world.post_rounds(&terms(2));
    world.join(order, TRAINERS[0]);
    pass(&mut world, order, Phase::Joining);
    pass(&mut world, order, Phase::Between);
    let ended = world.order(order).head;
    assert_eq!(ended.outcome, Some(Outcome::TooFewTrainers));
    assert_eq!(ended.phase, Phase::Refunded);
    assert_eq!(world.spent(Who::Requester, before), 0);
    assert_eq!(world.registration(TRAINERS[0]).locked, Amount::ZERO);
}

#[test]
fn whoever_cancels_before_the_first_round_frees_everybody() {
    let mut world = world();
    let before = world.balance(Who::Requester);
    let order = world.post_rounds(&terms(2));
    world.join(order, TRAINERS[0]);
    world.join(order, TRAINERS[1]);
    world.apply(Who::Requester, OrderCall::Cancel { order });
    world.advance(1);
    assert_eq!(world.phase(order), Phase::Cancelled);
    assert_eq!(world.spent(Who::Requester, before), 0);
    assert_eq!(world.registration(TRAINERS[0]).locked, Amount::ZERO);
    let again = world.refuse(TRAINERS[1], OrderCall::Leave { order });
    assert!(matches!(
        again,
        Refusal::Order(OrderRefusal::WrongPhase { .. })
    ));
}

#[test]
fn who_does_not_send_in_time_misses_the_round_and_nothing_else() {
    let mut world = world();
    let order = world.training(&terms(3));
    world.send(order, TRAINERS[0]);
    world.send(order, TRAINERS[2]);
    pass(&mut world, order, Phase::Training);
    world.hold_all(order);
    world.advance(1);
    world.pass_audits(order);
    let before = world.balance(TRAINERS[1]);
    world.merge(order, &[1, 2, 3], "model 1");
    world.advance(1);
    let missed = world.trainer(order, TRAINERS[1]);
    assert_eq!((missed.missed, missed.stood), (1, 0));
    assert_eq!(world.balance(TRAINERS[1]), before);
    assert_eq!(world.trainer(order, TRAINERS[0]).stood, 1);
    // It trains again in the next one.
    everybody(|who| world.send(order, who));
    assert_eq!(world.phase(order), Phase::Gathering);
}

#[test]
fn with_everybody_gone_the_order_ends_and_nobody_waits() {
    let mut world = world();
    let before = world.balance(Who::Requester);
    let order = world.training(&terms(100));
    for _ in 0..3 {
        pass(&mut world, order, Phase::Training);
        pass(&mut world, order, Phase::Between);
    }
    if world.phase(order) == Phase::Between {
        world.advance(1);
    }
    let ended = world.order(order).head;
    assert_eq!(ended.outcome, Some(Outcome::EndedEarly));
    // Only the first model cost anything.
    let paid = 3 * (400_000 / 3);
    assert_eq!(world.spent(Who::Requester, before), paid);
    for who in TRAINERS {
        assert_eq!(world.registration(who).locked, Amount::ZERO);
    }
}

#[test]
fn trainers_come_and_go_between_rounds() {
    let mut world = world();
    let order = world.post_rounds(&terms(4));
    world.join(order, TRAINERS[0]);
    world.join(order, TRAINERS[1]);
    pass(&mut world, order, Phase::Joining);
    world.advance(1);
    world.merge(order, &[0, 1, 2], "model 0");
    // One joins in the midst of a round: it takes part from the next one on.
    world.join(order, TRAINERS[2]);
    assert_eq!(world.trainer(order, TRAINERS[2]).since, 1);
    let run = super::run(TRAINERS[2], 0);
    let early = world.update_call(order, TRAINERS[2], &run);
    let refused = world.refuse(TRAINERS[2], early);
    assert!(matches!(
        refused,
        Refusal::Order(OrderRefusal::NotInRound { round: 0, .. })
    ));
    world.send(order, TRAINERS[0]);
    world.send(order, TRAINERS[1]);
    // One that has sent leaves: it is paid first, and its bond is bound until then.
    world.apply(TRAINERS[0], OrderCall::Leave { order });
    assert_eq!(world.registration(TRAINERS[0]).locked, Amount::tokens(20));
    if world.phase(order) == Phase::Training {
        pass(&mut world, order, Phase::Training);
    }
    world.hold_all(order);
    world.advance(1);
    world.pass_audits(order);
    world.merge(order, &[0, 1, 3], "model 1");
    world.advance(1);
    assert_eq!(world.trainer(order, TRAINERS[0]).stood, 1);
    assert_eq!(world.registration(TRAINERS[0]).locked, Amount::ZERO);
    assert_eq!(world.rounds(order).present, [1, 2].into_iter().collect());
    // Who has gone does not come back under its number.
    let again = world.join_call(order, TRAINERS[0]);
    let refused = world.refuse(TRAINERS[0], again);
    assert!(matches!(
        refused,
        Refusal::Order(OrderRefusal::AlreadyDone { .. })
    ));
    // One that has sent nothing is free at once, and then too few are left.
    world.apply(TRAINERS[1], OrderCall::Leave { order });
    assert_eq!(world.registration(TRAINERS[1]).locked, Amount::ZERO);
    pass(&mut world, order, Phase::Training);
    world.advance(3);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::EndedEarly));
}

#[test]
fn an_update_that_no_honest_validator_holds_does_not_count_and_is_not_paid() {
    let mut world = world();
    let order = world.training(&terms(2));
    everybody(|who| world.send(order, who));
    // One liar says that it has what nobody else has: as many as can lie are not enough.
    let all: Bits = [0, 1, 2].into_iter().collect();
    let had: Bits = [0, 2].into_iter().collect();
    world.apply(Who::Validator(0), world.hold_call(order, all));
    for i in 1..4 {
        world.apply(Who::Validator(i), world.hold_call(order, had.clone()));
    }
    assert_eq!(world.rounds(order).counted, had);
    world.advance(1);
    world.pass_audits(order);
    world.merge(order, &[0, 1, 2], "model 1");
    world.advance(1);
    assert_eq!(world.trainer(order, TRAINERS[1]).stood, 0);
    assert_eq!(world.trainer(order, TRAINERS[1]).missed, 0);
    assert_eq!(world.trainer(order, TRAINERS[0]).stood, 1);
    let role = Role::Provider;
    assert_eq!(
        query::registration(&world.store, role, &TRAINERS[1].id())
            .unwrap()
            .unwrap()
            .locked,
        Amount::tokens(20)
    );
}

#[test]
fn an_update_that_one_more_validator_holds_than_can_lie_counts() {
    let mut world = world();
    let order = world.training(&terms(2));
    everybody(|who| world.send(order, who));
    let all: Bits = [0, 1, 2].into_iter().collect();
    for i in 0..2 {
        world.apply(Who::Validator(i), world.hold_call(order, all.clone()));
    }
    // The others are silent.
    pass(&mut world, order, Phase::Gathering);
    assert_eq!(world.rounds(order).counted, all);
    assert_eq!(world.phase(order), Phase::Closed);
}

#[test]
fn validators_that_do_not_agree_leave_the_model_as_it_was_and_trainers_are_paid() {
    let mut world = world();
    let order = world.training(&terms(2));
    world.checking(order);
    world.pass_audits(order);
    let model = world.rounds(order).model;
    for (i, name) in [(0, "a"), (1, "a"), (2, "b")] {
        let call = world.model_call(order, i, name);
        world.apply(Who::Validator(i), call);
    }
    pass(&mut world, order, Phase::Merging);
    world.advance(1);
    let rounds = world.rounds(order);
    assert_eq!((rounds.round, rounds.unmerged), (1, 1));
    assert_eq!(rounds.model, model);
    for who in TRAINERS {
        assert_eq!(world.trainer(order, who).stood, 1);
    }
}

#[test]
fn trainers_that_all_leave_before_the_first_round_keep_nobody_waiting() {
    let mut world = world();
    let mut terms = terms(2);
    terms.rounds.as_mut().unwrap().least = 1;
    let order = world.joined(&terms);
    world.advance(1);
    everybody(|who| drop(world.apply(who, OrderCall::Leave { order })));
    world.merge(order, &[0, 1, 2], "model 0");
    assert_eq!(world.phase(order), Phase::Between);
    world.advance(3);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::EndedEarly));
}

/// Whoever joins while the first model is made, or made again, trains in the first round.
#[test]
fn whoever_joins_before_there_is_a_model_is_in_the_first_round() {
    let mut world = world();
    let order = world.post_rounds(&terms(2));
    world.join(order, TRAINERS[0]);
    world.join(order, TRAINERS[1]);
    pass(&mut world, order, Phase::Joining);
    world.advance(1);
    assert_eq!(world.phase(order), Phase::Merging);
    world.join(order, TRAINERS[2]);
    assert_eq!(world.trainer(order, TRAINERS[2]).since, 0);
    world.merge(order, &[0, 1, 2], "model 0");
    everybody(|who| world.send(order, who));
    assert_eq!(world.phase(order), Phase::Gathering);
}
