//! Orders in which everybody keeps the rules.

use assay_ledger::{Amount, DeclineReason, FailureReason, Outcome, Phase, Role};
use assay_proof::Outcome as End;
use assay_sim::orders::{BALANCE, Cast, Plan, Vault, World, play};

use crate::{counter, failures, honest, run};

#[test]
fn an_honest_order_goes_from_posting_to_payout() {
    let (world, order) = play(Plan::default(), honest(), counter, async |play| {
        let order = play.run().await;
        play.tick().await;
        (World::clone(play), order)
    });
    assert_eq!(order.head.phase, Phase::Settled);
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(world.refused(), []);
    assert_eq!(failures(&order), []);
    assert_eq!(order.disputes, []);
    // Who was asked and not needed is let go.
    let run = order.run().unwrap();
    let works = |account| run.provider == account || run.seat(account).is_some();
    for member in world.members() {
        let ends = match works(member.account) {
            true => vec![Some(End::Settled)],
            false => vec![Some(End::Settled), Some(End::Dismissed)],
        };
        assert!(
            ends.contains(&member.outcome),
            "{}: {:?}",
            member.name,
            member.outcome
        );
    }
    let spent = BALANCE.0 - world.balance(0).0;
    assert!(
        spent > Amount::tokens(110).0 && spent < Amount::tokens(111).0,
        "{spent}"
    );
    let provider = order.provider().unwrap();
    let paid = world.place_of(provider).unwrap();
    assert!(world.balance(paid) > Amount(BALANCE.0 + Amount::tokens(95).0));
}

#[test]
fn any_shape_of_run_is_audited_in_full() {
    for (steps, segment_steps, drawn) in [
        (1, 1, 1),
        (7, 3, 64),
        (9, 9, 2),
        (64, 1, 64),
        (300, 1, 64),
        (5, 2, 1),
    ] {
        let plan = Plan {
            steps,
            segment_steps,
            drawn,
            deadline: 400,
            ..Plan::default()
        };
        let (world, order) = run(plan, honest());
        assert_eq!(
            order.head.outcome,
            Some(Outcome::Paid),
            "{steps}/{segment_steps}"
        );
        assert_eq!(world.refused(), []);
        assert_eq!(order.run().map_or(0, |run| run.passed().count()), 2);
    }
}

#[test]
fn slow_answers_change_nothing() {
    for seed in 0..5 {
        let plan = Plan {
            seed,
            delay: 3,
            deadline: 60,
            ..Plan::default()
        };
        let (world, order) = run(plan, honest());
        assert_eq!(order.head.outcome, Some(Outcome::Paid));
        assert_eq!(world.refused(), []);
    }
}

#[test]
fn without_a_provider_the_requester_is_refunded() {
    let (world, order) = run(Plan::default(), Cast::honest((0, 3, 4), counter));
    assert_eq!(order.head.outcome, Some(Outcome::NoProvider));
    assert!(world.balance(0) > Amount(BALANCE.0 - Amount::tokens(1).0));
}

#[test]
fn without_enough_auditors_no_work_begins() {
    let (world, order) = run(Plan::default(), Cast::honest((1, 1, 4), counter));
    assert_eq!(order.head.outcome, Some(Outcome::NoProvider));
    assert_eq!(order.runs, []);
    assert!(world.balance(0) > Amount(BALANCE.0 - Amount::tokens(1).0));
    crate::assert_unslashed(&world, Role::Provider, 0);
}

#[test]
fn inputs_that_do_not_hold_what_the_order_says_are_declined() {
    let wrong = Plan::default().inputs[0].1.clone();
    let order = play(Plan::default(), honest(), counter, async |play| {
        let input = play.order().head.terms.inputs[1].clone();
        assert_ne!(Vault::content(&wrong), input.content);
        play.vault().replace(input.file, wrong);
        play.run().await
    });
    assert_eq!(order.head.outcome, Some(Outcome::AttemptsUsed));
    for failure in failures(&order) {
        assert_eq!(
            failure.reason,
            FailureReason::Declined(DeclineReason::Inputs)
        );
        assert_eq!(failure.slashed, Amount::ZERO);
    }
    assert_eq!(failures(&order).len(), 2);
}

#[test]
fn what_no_machine_can_run_is_a_run_of_no_steps_and_paid_as_set_up() {
    let plan = Plan {
        spec: vec![0],
        ..Plan::default()
    };
    let (world, order) = run(plan, honest());
    assert_eq!(order.head.outcome, Some(Outcome::Failed));
    assert_eq!(failures(&order), []);
    assert_eq!(order.disputes, []);
    let trace = order.runs[0].trace.clone().unwrap();
    let steps = order.head.terms.steps;
    assert_eq!((trace.counts.worked(), trace.counts.idle), (0, steps));
    // A twentieth of the price of 100 to the provider, and the auditors' fees of 5.
    let spent = BALANCE.0 - world.balance(0).0;
    let setup = Amount::tokens(15).0;
    let most = setup + Amount::tokens(1).0;
    assert!((setup..most).contains(&spent), "{spent}");
    crate::assert_unslashed(&world, Role::Provider, 0);
    crate::assert_unslashed(&world, Role::Auditor, 0);
}

#[test]
fn a_result_that_vanishes_after_the_audit_is_not_paid() {
    let order = play(Plan::default(), honest(), counter, async |play| {
        play.run_until(|world| world.order().head.phase == Phase::Revealing)
            .await;
        let result = play.order().runs[0].trace.as_ref().unwrap().result;
        play.vault().lost.insert(result);
        play.run().await
    });
    assert_eq!(failures(&order)[0].reason, FailureReason::Unavailable);
    assert_eq!(
        order.head.outcome,
        Some(Outcome::Paid),
        "by the second provider"
    );
}
