//! Wrong runs: one honest provider is enough, whatever the others agree on.

use assay_ledger::{Amount, FailureReason, OrderCall, Outcome, Phase, Verdict, query};

use super::alone::audited;
use super::crew::{all_free, crowd, gain, judged, lie, tokens, truth};
use crate::world::{Run, Who, World};

/// The runs in every order.
fn orders(runs: &[Run; 3]) -> Vec<[Run; 3]> {
    let places = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    let arrange = |places: [usize; 3]| places.map(|i| runs[i].clone());
    places.map(arrange).to_vec()
}

/// Plays these runs to the end, where everybody speaks and validators replay.
fn play(runs: &[Run]) -> (World, assay_ledger::OrderId) {
    let mut world = crowd();
    let order = world.compared(runs);
    world.judge_all(order, runs);
    if world.phase(order) == Phase::Committed {
        let [alone] = world.standing(order)[..] else {
            panic!("one alone");
        };
        audited(&mut world, order, &runs[alone as usize]);
    }
    if world.phase(order) == Phase::Accepted {
        world.apply(Who::Requester, OrderCall::Accept { order });
    }
    all_free(&world);
    assert_eq!(world.replay(), world.root);
    (world, order)
}

#[test]
fn two_colluders_lose_both_bonds_to_one_honest_provider() {
    for from in [0, 1, 9, 22] {
        let wrong = lie(from, "colluders");
        for runs in orders(&[truth(), wrong.clone(), wrong.clone()]) {
            let (world, order) = play(&runs);
            let record = world.order(order);
            assert_eq!(record.head.outcome, Some(Outcome::Paid));
            assert_eq!(record.disputes.len(), 2);
            for (run, of) in runs.iter().enumerate() {
                let gained = gain(&world, world.runner(order, run as u32));
                if *of == truth() {
                    // Its price, and half of each bond.
                    assert_eq!(gained, tokens(10 + 10 + 10), "{from}");
                    assert_eq!(record.runs[run].failed, None);
                } else {
                    assert_eq!(gained, tokens(-20), "{from}");
                    let failure = record.runs[run].failed.unwrap();
                    assert_eq!(failure.reason, FailureReason::WrongResult);
                    assert_eq!(failure.slashed, Amount::tokens(20));
                }
            }
            // The prices of those who failed went back.
            assert_eq!(gain(&world, Who::Requester), tokens(-10));
            let pot = query::supply(&world.store).unwrap().pot;
            let judges = judged(&record);
            assert_eq!(pot, Amount(Amount::tokens(20).0 - judges));
        }
    }
}

#[test]
fn one_wrong_run_of_three_loses_and_the_others_are_paid() {
    for runs in orders(&[truth(), truth(), lie(7, "liar")]) {
        let (world, order) = play(&runs);
        let record = world.order(order);
        assert_eq!(record.head.outcome, Some(Outcome::Paid));
        assert_eq!(record.disputes.len(), 1);
        let mut honest = Vec::new();
        for (run, of) in runs.iter().enumerate() {
            let gained = gain(&world, world.runner(order, run as u32));
            if *of == truth() {
                honest.push(gained);
            } else {
                assert_eq!(gained, tokens(-20));
            }
        }
        honest.sort_unstable();
        // Whoever stood against it is rewarded.
        assert_eq!(honest, [tokens(10), tokens(20)]);
        assert_eq!(gain(&world, Who::Requester), tokens(-20));
    }
}

/// Lies that begin at different steps: each is right against those that lie earlier, and wrong in
/// the end.
#[test]
fn where_all_three_differ_the_honest_one_is_paid() {
    for runs in orders(&[truth(), lie(5, "one"), lie(14, "other")]) {
        let (world, order) = play(&runs);
        let record = world.order(order);
        assert_eq!(record.head.outcome, Some(Outcome::Paid));
        for (run, of) in runs.iter().enumerate() {
            let gained = gain(&world, world.runner(order, run as u32));
            if *of == truth() {
                assert!(gained >= tokens(20));
            } else {
                assert!(gained <= tokens(-10), "{gained}");
                let reason = record.runs[run].failed.unwrap().reason;
                assert_eq!(reason, FailureReason::WrongResult);
            }
        }
        assert_eq!(gain(&world, Who::Requester), tokens(-10));
    }
}

#[test]
fn where_all_are_wrong_in_the_same_step_all_lose() {
    let runs = [lie(5, "one"), lie(5, "other")];
    let (world, order) = play(&runs);
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Neither));
    assert_eq!(record.head.outcome, Some(Outcome::NoCopies));
    for run in 0..2 {
        assert_eq!(gain(&world, world.runner(order, run)), tokens(-20));
    }
    assert_eq!(gain(&world, Who::Requester), 0);
    let pot = query::supply(&world.store).unwrap().pot;
    assert_eq!(pot, Amount(Amount::tokens(40).0 - judged(&record)));
}

/// Agreement is never voted on, but where nobody differs nothing is looked at: copies protect
/// only as far as one of those drawn is honest.
#[test]
fn where_all_agree_on_a_lie_nobody_looks() {
    let wrong = lie(5, "all");
    let (world, order) = play(&[wrong.clone(), wrong.clone(), wrong]);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::Paid));
}

/// Two that are wrong in the same step fall together. Where they came first, the third is left
/// without anybody to compare it with: validators audit it, and it is paid.
#[test]
fn two_that_fall_together_do_not_take_the_thirds_pay() {
    let wrong = [lie(5, "one"), lie(5, "other")];
    for runs in orders(&[truth(), wrong[0].clone(), wrong[1].clone()]) {
        let last = runs[2] == truth();
        let (world, order) = play(&runs);
        let honest = runs.iter().position(|run| *run == truth()).unwrap();
        let gained = gain(&world, world.runner(order, honest as u32));
        let outcome = world.order(order).head.outcome;
        assert_eq!(outcome, Some(Outcome::Paid));
        assert_eq!(gained, if last { tokens(10) } else { tokens(30) });
    }
}
