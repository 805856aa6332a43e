//! A whole life event by event, who is paid what, and every other way in which it can end.

use assay_ledger::{
    Amount, ClaimStage, Deadlines, Event, OrderCall, OrderEvent, OrderId, Outcome, Phase, Role,
    Scores, query,
};

use super::{CLAIMANTS, run, sheet, terms, terms_with, truth, validators, world};
use crate::life_events::{expect, lines};
use crate::world::{BOND, Who, World, ms};

/// Nothing is locked of anybody's bond any more, and nobody has the order among its own.
fn all_are_free(world: &World, order: OrderId) {
    for who in Who::all().filter(|who| who.is_drawn()) {
        let registration = world.registration(who);
        assert_eq!(
            (registration.locked, registration.serving),
            (Amount::ZERO, 0),
            "{who:?}"
        );
    }
    for who in Who::all() {
        let part = query::Which::WithPart(who.id());
        let listed = query::list(&world.store, part, usize::MAX).unwrap();
        assert!(!listed.entries.contains(&order), "{who:?}");
    }
    assert_eq!(world.order(order).head.escrow, Amount::ZERO);
    assert_eq!(world.order(order).head.deposit, Amount::ZERO);
}

fn ended(world: &World, order: OrderId, outcome: Outcome) {
    let head = world.order(order).head;
    assert_eq!(head.outcome, Some(outcome));
    assert_eq!(head.phase, outcome.phase());
    all_are_free(world, order);
}

#[test]
fn a_contest_is_scored_audited_and_paid_by_rank_and_improvement() {
    let mut world = world();
    let terms = terms();
    let before = world.purse(Who::Requester);
    let pools = query::supply(&world.store).unwrap();
    let order = world.validating(&terms, run);
    world.verifying(order, &truth());
    world.wait_out(order, Phase::Verifying);
    // The best two of three are audited: 900,000 and 700,000.
    let audited: Vec<_> = world
        .claim_audits(order)
        .into_iter()
        .map(|(_, who)| who)
        .collect();
    assert_eq!(audited, [CLAIMANTS[1], CLAIMANTS[2]]);
    world.pass_claim_audits(order);
    assert_eq!(world.phase(order), Phase::Between);
    world.advance(1);
    ended(&world, order, Outcome::Paid);
    // Of 7.5 tokens the winner has 70%, and the rest is shared as 400,000 to 200,000.
    let rest = 7_500_000 - 5_250_000;
    let second = u64::try_from(u128::from(rest as u64) * 200_000 / 600_000).unwrap();
    let first = 5_250_000 + u64::try_from(u128::from(rest as u64) * 400_000 / 600_000).unwrap();
    assert_eq!(world.paid(order, CLAIMANTS[1].id()), first);
    assert_eq!(world.paid(order, CLAIMANTS[2].id()), second);
    assert_eq!(world.paid(order, CLAIMANTS[0].id()), 0);
    for who in validators() {
        assert_eq!(world.paid(order, who.id()), 1_200_000 / 4);
    }
    let after = query::supply(&world.store).unwrap();
    // Half of every fee goes to the treasury, here all: no block names its proposer.
    let fees: u64 = Who::all().map(|who| world.nonce(who) * 100_000).sum();
    assert_eq!(after.treasury.0 - pools.treasury.0, 500_000 + fees);
    assert_eq!(after.pot.0 - pools.pot.0, 300_000);
    // The verifiers' share comes back, for no score was wrong; each audit costs two fees.
    let audits = 2 * 2 * 500_000;
    let spent = i128::from(10_000_000_u64 - 500_000 + audits) - 1;
    assert!((world.cost(Who::Requester, before) - spent).abs() <= 1);
    world.replay();
}

#[test]
fn a_contest_tells_what_happened_in_it() {
    let mut world = world();
    let order = world.post_contest(&terms());
    let from = world.told.len();
    world.deal(order);
    for who in validators().take(3) {
        world.apply(who, world.check_call(order, true));
    }
    for who in CLAIMANTS {
        world.apply(who, OrderCall::Claim { order });
    }
    world.advance(1);
    for who in CLAIMANTS {
        let call = world.seal_call(order, who, &run(who));
        world.apply(who, call);
    }
    for who in CLAIMANTS {
        world.show(order, who, &run(who));
    }
    world.open_test(order);
    world.verifying(order, &truth());
    world.wait_out(order, Phase::Verifying);
    world.pass_claim_audits(order);
    world.advance(1);
    let told = world.told[from..].iter().filter(|told| {
        let Event::Order { order: of, event } = &told.event else {
            return false;
        };
        *of == order && !matches!(event, OrderEvent::Paid { .. })
    });
    expect(
        &lines(told),
        "
        4 0 key dealt
        4 0 phase holding
        5 0 holds Validator(0)
        6 0 holds Validator(1)
        7 0 holds Validator(2)
        7 0 phase joining
        8 0 claimed Provider(0)
        9 0 claimed Provider(1)
        10 0 claimed Provider(2)
        10 0 phase taken
        11 block contest of 3
        11 block phase claiming
        12 0 committed Provider(0)
        13 0 committed Provider(1)
        14 0 committed Provider(2)
        14 0 phase sealed
        16 0 trace Provider(0)
        18 0 trace Provider(1)
        20 0 trace Provider(2)
        20 0 phase test_open
        21 0 share Validator(0)
        22 0 share Validator(1)
        22 0 key opened
        22 0 phase validating
        23 0 committed Validator(0)
        24 0 committed Validator(1)
        25 0 committed Validator(2)
        26 0 committed Validator(3)
        27 0 scores Validator(0)
        28 0 scores Validator(1)
        29 0 scores Validator(2)
        30 0 scores Validator(3)
        30 0 scored Provider(0) Some(600000)
        30 0 scored Provider(1) Some(900000)
        30 0 scored Provider(2) Some(700000)
        30 0 phase verifying
        55 block phase closed
        56 block phase checking
        66 0 phase closed
        67 block phase checking
        73 0 phase closed
        74 block phase between
        75 block ended Paid
        ",
    );
}

#[test]
fn whose_audit_fails_is_out_and_the_next_one_moves_up() {
    let mut world = world();
    let best = CLAIMANTS[1];
    // The best one shows a model that its seed does not give.
    let said = |who: Who| match who == best {
        true => run(who).lying(3, "a model from elsewhere"),
        false => run(who),
    };
    let order = world.validating(&terms(), said);
    world.verifying(order, &truth());
    world.wait_out(order, Phase::Verifying);
    let audits = world.claim_audits(order);
    let (audit, _) = audits[0];
    world.fail_claim_audit(audit, &said(best), &run(best));
    assert_eq!(world.stage(order, best), ClaimStage::Out);
    assert_eq!(world.registration(best).bond.0, BOND.0 - 20_000_000);
    // In its place the third one is audited.
    let audited: Vec<_> = world
        .claim_audits(order)
        .into_iter()
        .map(|(_, who)| who)
        .collect();
    assert_eq!(audited, [CLAIMANTS[0], CLAIMANTS[2]]);
    world.pass_claim_audits(order);
    world.advance(1);
    ended(&world, order, Outcome::Paid);
    assert_eq!(world.paid(order, best.id()), 0);
    let first = 5_250_000 + 2_250_000 * 2 / 3;
    assert_eq!(world.paid(order, CLAIMANTS[2].id()), first);
    assert_eq!(world.paid(order, CLAIMANTS[0].id()), 2_250_000 / 3);
}

/// Of equal scores the earlier commitment is the better one.
#[test]
fn of_equal_scores_the_earlier_commitment_wins() {
    let mut world = world();
    let order = world.claiming(&terms_with(|of| of.places = 1));
    for who in [CLAIMANTS[2], CLAIMANTS[0], CLAIMANTS[1]] {
        let call = world.seal_call(order, who, &run(who));
        world.apply(who, call);
    }
    for who in CLAIMANTS {
        world.show(order, who, &run(who));
    }
    world.open_test(order);
    world.verifying(order, &sheet(&[Some(900_000); 3]));
    world.wait_out(order, Phase::Verifying);
    let audited: Vec<_> = world
        .claim_audits(order)
        .into_iter()
        .map(|(_, who)| who)
        .collect();
    assert_eq!(audited, [CLAIMANTS[2]]);
    world.pass_claim_audits(order);
    world.advance(1);
    ended(&world, order, Outcome::Paid);
    assert_eq!(world.paid(order, CLAIMANTS[2].id()), 7_500_000);
}

/// What every claimant withholds it is not paid for; what a test set makes of every model costs nobody anything.
#[test]
fn models_that_nobody_can_get_are_not_paid_and_models_that_are_worth_nothing_are() {
    for (score, outcome, paid) in [
        (None, Outcome::NoClaims, 0),
        (Some(0), Outcome::NoImprovement, 2_500_000),
    ] {
        let mut world = world();
        let order = world.validating(&terms(), run);
        world.verifying(order, &sheet(&[score; 3]));
        world.wait_out(order, Phase::Verifying);
        if paid > 0 {
            world.pass_claim_audits(order);
        }
        world.advance(1);
        ended(&world, order, outcome);
        for who in CLAIMANTS {
            assert_eq!(world.paid(order, who.id()), paid);
            assert_eq!(world.registration(who).bond, BOND);
        }
    }
}

/// How a contest ends, and what brings that about once its claims are shown.
type End<'a> = (Outcome, &'a dyn Fn(&mut World, OrderId));

/// Whatever the test says or does not say, those who trained share the same sum.
#[test]
fn without_a_winner_everybody_whose_run_stands_shares_the_claimants_part() {
    let none = Scores(None);
    let unread: Vec<_> = (0..4).map(|i| (i, none.clone())).collect();
    let low = sheet(&[Some(1), Some(500_000), Some(0)]);
    let ends: [End<'_>; 5] = [
        (Outcome::NoImprovement, &|world, order| {
            world.open_test(order);
            world.verifying(order, &low);
            world.wait_out(order, Phase::Verifying);
        }),
        (Outcome::CustodyShut, &|world, order| {
            let call = world.open_call(order, Who::Validator(0));
            world.apply(Who::Validator(0), call);
            world.wait_out(order, Phase::TestOpen);
        }),
        (Outcome::TestUnread, &|world, order| {
            world.open_test(order);
            world.score(order, &unread);
        }),
        (Outcome::NotScored, &|world, order| {
            world.open_test(order);
            world.score(order, &[(0, truth()), (1, truth())]);
            world.wait_out(order, Phase::Validating);
        }),
        // One honest validator could not read it, and one lies.
        (Outcome::TestUnread, &|world, order| {
            world.open_test(order);
            let said = [
                (0, truth()),
                (1, truth()),
                (2, none.clone()),
                (3, none.clone()),
            ];
            world.score(order, &said);
            world.wait_out(order, Phase::Validating);
        }),
    ];
    for (outcome, brings) in ends {
        let mut world = world();
        let before = world.purse(Who::Requester);
        let order = world.test_open(&terms(), run);
        brings(&mut world, order);
        world.begin_audits(order);
        assert_eq!(world.phase(order), Phase::Checking, "{outcome:?}");
        assert_eq!(world.claim_audits(order).len(), 3);
        world.pass_claim_audits(order);
        world.advance(1);
        ended(&world, order, outcome);
        for who in CLAIMANTS {
            assert_eq!(world.paid(order, who.id()), 7_500_000 / 3, "{outcome:?}");
            assert_eq!(world.registration(who).bond, BOND);
        }
        // The claimants' part, the treasury's and the pot's, and the audits of all three.
        let silent = matches!(outcome, Outcome::CustodyShut | Outcome::NotScored);
        let validators = if silent { 0 } else { 1_200_000 };
        let audits = 3 * 2 * 500_000;
        let spent = 7_500_000 + 800_000 + audits + validators;
        assert_eq!(world.cost(Who::Requester, before), spent, "{outcome:?}");
    }
}

#[test]
fn whoever_is_late_or_withholds_is_out_and_the_others_go_on() {
    let mut world = world();
    let order = world.claiming(&terms());
    for who in &CLAIMANTS[1..] {
        let call = world.seal_call(order, *who, &run(*who));
        world.apply(*who, call);
    }
    world.wait_out(order, Phase::Claiming);
    // A fifth of what is locked.
    assert_eq!(world.registration(CLAIMANTS[0]).bond.0, BOND.0 - 4_000_000);
    assert_eq!(world.stage(order, CLAIMANTS[0]), ClaimStage::Out);
    world.show(order, CLAIMANTS[1], &run(CLAIMANTS[1]));
    world.wait_out(order, Phase::Sealed);
    assert_eq!(world.registration(CLAIMANTS[2]).bond.0, BOND.0 - 20_000_000);
    world.open_test(order);
    world.verifying(order, &sheet(&[Some(900_000)]));
    world.wait_out(order, Phase::Verifying);
    world.pass_claim_audits(order);
    world.advance(1);
    ended(&world, order, Outcome::Paid);
    assert_eq!(world.paid(order, CLAIMANTS[1].id()), 7_500_000);
}

#[test]
fn without_a_claim_the_test_set_stays_shut_and_the_money_comes_back() {
    for shows in [false, true] {
        let mut world = world();
        let before = world.purse(Who::Requester);
        let order = world.claiming(&terms());
        if shows {
            let call = world.seal_call(order, CLAIMANTS[0], &run(CLAIMANTS[0]));
            world.apply(CLAIMANTS[0], call);
        }
        world.wait_out(order, Phase::Claiming);
        if shows {
            world.wait_out(order, Phase::Sealed);
        }
        world.wait_out(order, Phase::Between);
        ended(&world, order, Outcome::NoClaims);
        assert_eq!(world.cost(Who::Requester, before), 0);
        assert!(world.contest(order).opened().is_none());
    }
}

#[test]
fn where_every_claim_fails_nobody_is_paid() {
    let mut world = world();
    let before = world.purse(Who::Requester);
    let said = |who: Who| run(who).lying(2, "nothing");
    // One is judged after the other.
    let slow = assay_ledger::Terms {
        deadlines: Deadlines::all(ms(80)),
        ..terms()
    };
    let order = world.validating(&slow, said);
    world.verifying(order, &truth());
    world.wait_out(order, Phase::Verifying);
    for _ in 0..3 {
        let (audit, who) = world.claim_audits(order)[0];
        world.fail_claim_audit(audit, &said(who), &run(who));
    }
    world.wait_out(order, Phase::Between);
    ended(&world, order, Outcome::NoClaims);
    // Auditors are paid of the bonds that were lost.
    assert_eq!(world.cost(Who::Requester, before), 0);
}

#[test]
fn a_contest_that_finds_too_few_or_is_withdrawn_costs_nothing() {
    let mut world = world();
    let before = world.purse(Who::Requester);
    let order = world.post_contest(&terms());
    world.apply(Who::Requester, OrderCall::Cancel { order });
    ended(&world, order, Outcome::Withdrawn);
    let order = world.post_contest(&terms());
    world.wait_out(order, Phase::Dealing);
    ended(&world, order, Outcome::NotGranted);
    let order = world.joining(&terms());
    world.apply(CLAIMANTS[0], OrderCall::Claim { order });
    world.wait_out(order, Phase::Joining);
    world.wait_out(order, Phase::Between);
    ended(&world, order, Outcome::TooFewTrainers);
    let order = world.joining(&terms());
    world.apply(CLAIMANTS[0], OrderCall::Claim { order });
    world.apply(Who::Requester, OrderCall::Cancel { order });
    world.wait_out(order, Phase::Between);
    ended(&world, order, Outcome::Withdrawn);
    assert_eq!(world.cost(Who::Requester, before), 0);
}

#[test]
fn claimants_come_and_go_until_the_last_place_is_taken() {
    let mut world = world();
    let order = world.joining(&terms_with(|of| of.most = 2));
    world.apply(CLAIMANTS[0], OrderCall::Claim { order });
    world.apply(CLAIMANTS[0], OrderCall::Leave { order });
    assert_eq!(world.registration(CLAIMANTS[0]).locked, Amount::ZERO);
    assert_eq!(world.contest(order).entries, []);
    world.apply(CLAIMANTS[1], OrderCall::Claim { order });
    world.apply(CLAIMANTS[0], OrderCall::Claim { order });
    assert_eq!(world.phase(order), Phase::Taken);
    let locked = |who| world.registration(who).locked.0;
    assert_eq!(CLAIMANTS.map(locked), [20_000_000, 20_000_000, 0]);
    let listed = query::list(
        &world.store,
        query::Which::WithPart(CLAIMANTS[0].id()),
        usize::MAX,
    );
    assert_eq!(listed.unwrap().entries, [order]);
    let role = query::registration(&world.store, Role::Provider, &CLAIMANTS[0].id());
    assert_eq!(role.unwrap().unwrap().serving, 1);
}
