//! Orders done in several copies: compared, never voted on.

use std::sync::Arc;

use assay_ledger::{Amount, FailureReason, Order, Outcome, Question, Role, Verdict};
use assay_proof::odds::Probability;
use assay_proof::parties::Requester;
use assay_sim::liars::providers::{DeadEndPrograms, Withheld, WithholdingProvider};
use assay_sim::liars::requesters::FalseComplaint;
use assay_sim::orders::{Actor, BALANCE, Cast, CounterPrograms, Plan, World};

use crate::{HEAVY, assert_unslashed, cases, counter, failures, lazy, run};

/// Three copies of a job of ten segments.
fn three(seed: u64) -> Plan {
    Plan {
        seed,
        copies: 3,
        attempts: 1,
        deadline: 60,
        ..Plan::default()
    }
}

/// A network with so many honest providers and four validators.
fn cast(providers: usize) -> Cast {
    Cast::honest((providers, 0, 4), counter)
}

fn earned(world: &World, member: usize) -> Amount {
    Amount(world.balance(member).0.saturating_sub(BALANCE.0))
}

/// Every provider from that place on was paid the price, less its fees, and kept its bond.
fn assert_paid(world: &World, from: usize) {
    for member in &world.all(Role::Provider)[from..] {
        let name = &world.members()[*member].name;
        assert!(earned(world, *member) > Amount::tokens(90), "{name}");
    }
    assert_unslashed(world, Role::Provider, from);
}

#[test]
fn an_honest_trio_is_paid_without_a_dispute() {
    for seed in 0..cases(8) {
        let (world, order) = run(three(seed), cast(3));
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "seed {seed}");
        assert_eq!(
            (order.runs.len(), order.disputes.len()),
            (3, 0),
            "seed {seed}"
        );
        let roots = |order: &Order| -> Vec<_> {
            let traces = order.runs.iter().filter_map(|run| run.trace.as_ref());
            traces.map(|trace| trace.root).collect()
        };
        assert!(roots(&order).windows(2).all(|two| two[0] == two[1]));
        assert_eq!(world.refused(), [], "seed {seed}");
        assert_paid(&world, 0);
    }
}

#[test]
fn two_colluders_lose_against_one_honest_provider() {
    for seed in 0..cases(12) {
        let mut cast = cast(1);
        for _ in 0..2 {
            // The same lie in the same place: their results are equal.
            cast.providers.insert(0, lazy(Probability::ratio(1, 10), 7));
        }
        let (world, order) = run(three(seed), cast);
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "seed {seed}");
        let failed = failures(&order);
        assert_eq!(failed.len(), 2, "seed {seed}");
        for failure in &failed {
            assert_eq!(failure.reason, FailureReason::WrongResult, "seed {seed}");
            assert_eq!(failure.slashed, Amount::tokens(50), "seed {seed}");
        }
        let honest = world.all(Role::Provider)[2];
        assert_eq!(
            order.standing().map(|run| run.provider).collect::<Vec<_>>(),
            [world.members()[honest].account]
        );
        for colluder in &world.all(Role::Provider)[..2] {
            assert!(world.balance(*colluder) < BALANCE, "seed {seed}: paid");
        }
        assert_paid(&world, 2);
        // One of the ten segments is skipped; the dispute ends at its first step.
        for dispute in &order.disputes {
            assert_eq!(dispute.question, Question::Step);
            assert_eq!(dispute.agreed.step.0 + 1, dispute.disputed.step.0);
            assert_eq!(
                dispute.from, dispute.agreed,
                "the fault is a segment's first step"
            );
        }
    }
}

#[test]
fn three_different_results_leave_the_right_one() {
    let mut cast = cast(1);
    cast.providers.insert(0, lazy(Probability::ratio(1, 10), 1));
    cast.providers.insert(0, lazy(Probability::ratio(5, 10), 2));
    let (world, order) = run(three(3), cast);
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(failures(&order).len(), 2);
    assert_paid(&world, 2);
}

/// Nothing is promised where no provider is honest: who stands in every dispute may still have lied
/// where the others lied too.
#[test]
fn of_liars_that_differ_all_but_one_lose_their_bonds() {
    for seed in 0..cases(8) {
        let mut cast = cast(0);
        for liar in 0..3 {
            cast.providers.push(lazy(Probability::ratio(5, 10), liar));
        }
        let (world, order) = run(three(seed), cast);
        assert!(order.standing().count() <= 1, "seed {seed}");
        let failed = failures(&order).len() as u64;
        let providers = world.all(Role::Provider).into_iter();
        let bonds: u64 = providers.map(|of| world.bond(of, Role::Provider).0).sum();
        assert_eq!(bonds, Amount::tokens(3_000 - 50 * failed).0, "seed {seed}");
    }
}

#[test]
fn a_state_that_nobody_can_go_on_from_is_judged_too() {
    let mut cast = cast(2);
    let programs = || DeadEndPrograms {
        honest: CounterPrograms,
        until: 9,
        state: vec![1; 8],
    };
    cast.providers.insert(0, Actor::provider(programs));
    let (world, order) = run(three(6), cast);
    assert_eq!(
        order.head.outcome,
        Some(Outcome::Paid),
        "{:?}",
        failures(&order)
    );
    assert_paid(&world, 1);
}

#[test]
fn a_silent_provider_is_replaced_and_loses_what_lateness_costs() {
    let mut cast = cast(3);
    let silent = Actor::new(|me| WithholdingProvider::new(me, Withheld::Run), counter);
    cast.providers.insert(0, silent.bonded(HEAVY));
    let plan = Plan {
        attempts: 2,
        ..three(2)
    };
    let (world, order) = run(plan, cast);
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(failures(&order)[0].reason, FailureReason::Late);
    assert_eq!(failures(&order)[0].slashed, Amount::tokens(10));
    assert_paid(&world, 1);
}

#[test]
fn with_no_other_provider_two_equal_results_are_enough() {
    let mut cast = cast(2);
    let silent = Actor::new(|me| WithholdingProvider::new(me, Withheld::Run), counter);
    cast.providers.insert(0, silent.bonded(HEAVY));
    let (world, order) = run(three(2), cast);
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_paid(&world, 1);
}

/// Two copies, the second of which comes to nothing in this way, and nobody else to be drawn.
fn left_alone(first: Actor, withheld: Withheld, seed: u64) -> (World, Order) {
    let mut cast = cast(0);
    cast.providers.push(first);
    let gone = Actor::new(move |me| WithholdingProvider::new(me, withheld), counter);
    cast.providers.push(gone);
    let plan = Plan {
        copies: 2,
        ..three(seed)
    };
    run(plan, cast)
}

/// Whatever becomes of the other copy, and be it the requester's own doing.
#[test]
fn a_copy_whose_rival_vanishes_is_audited_by_validators_and_paid() {
    for withheld in [Withheld::Run, Withheld::Reveal] {
        for seed in 0..cases(6) {
            let (world, order) = left_alone(Actor::provider(counter), withheld, seed);
            let told = format!("{withheld:?} {seed}");
            assert_eq!(order.head.outcome, Some(Outcome::Paid), "{told}");
            let reasons: Vec<_> = failures(&order).iter().map(|of| of.reason).collect();
            let expected = match withheld {
                Withheld::Run => FailureReason::Late,
                _ => FailureReason::Withheld,
            };
            assert_eq!(
                (reasons, order.disputes.len()),
                (vec![expected], 0),
                "{told}"
            );
            let providers = world.all(Role::Provider);
            assert!(earned(&world, providers[0]) > Amount::tokens(90), "{told}");
            let alone = order.standing().next().unwrap();
            assert_eq!(alone.passed().count(), 2, "{told}");
            for seat in alone.passed() {
                let validator = world.place_of(seat.auditor).unwrap();
                assert!(earned(&world, validator) > Amount::tokens(40), "{told}");
            }
            // A price for each copy, and no more.
            let spent = BALANCE.0 - world.balance(0).0;
            assert!(spent < Amount::tokens(201).0, "{told}: {spent}");
        }
    }
}

#[test]
fn a_liar_whose_accomplice_vanishes_is_caught_by_validators() {
    for seed in 0..cases(6) {
        let liar = lazy(Probability::ratio(1, 10), 7);
        let (world, order) = left_alone(liar, Withheld::Run, seed);
        assert_eq!(order.head.outcome, Some(Outcome::NoCopies), "seed {seed}");
        let reasons: Vec<_> = failures(&order).iter().map(|of| of.reason).collect();
        let expected = [FailureReason::WrongResult, FailureReason::Late];
        assert!(
            expected.iter().all(|reason| reasons.contains(reason)),
            "{reasons:?}"
        );
        for provider in world.all(Role::Provider) {
            assert!(world.balance(provider) < BALANCE, "seed {seed}: paid");
        }
        assert_unslashed(&world, Role::Validator, 0);
        let spent = BALANCE.0 - world.balance(0).0;
        assert!(spent < Amount::tokens(1).0, "seed {seed}: {spent}");
    }
}

#[test]
fn who_is_silent_in_a_dispute_or_shows_the_judges_nothing_saves_nobody_from_the_truth() {
    for withheld in [Withheld::Moves, Withheld::Evidence] {
        for seed in 0..cases(4) {
            let mut cast = cast(2);
            let share = assay_proof::lazy::Share {
                beta: Probability::ratio(3, 10),
                seed: [3; 32],
            };
            let programs = move || assay_proof::lazy::LazyPrograms {
                honest: CounterPrograms,
                share,
            };
            let liar = Actor::new(move |me| WithholdingProvider::new(me, withheld), programs);
            cast.providers.insert(0, liar.bonded(HEAVY));
            let (world, order) = run(three(seed), cast);
            assert_eq!(
                order.head.outcome,
                Some(Outcome::Paid),
                "{withheld:?} {seed}"
            );
            assert_eq!(failures(&order).len(), 1, "{withheld:?} {seed}");
            assert_paid(&world, 1);
        }
    }
}

#[test]
fn a_false_complaint_about_an_accepted_result_costs_the_deposit() {
    let honest = cast(3);
    let cast = Cast {
        requester: Arc::new(|me, keys| Box::new(FalseComplaint::new(Requester::new(me, keys)))),
        ..honest
    };
    let (world, order) = run(three(4), cast);
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(order.disputes.len(), 1);
    assert_eq!(order.disputes[0].verdict, Some(Verdict::Provider));
    assert_paid(&world, 0);
}

#[test]
fn kills_change_no_outcome() {
    for seed in 0..cases(12) {
        let mut cast = cast(2);
        if seed % 2 == 1 {
            cast.providers[0] = lazy(Probability::ratio(2, 10), 4);
        }
        let plan = Plan {
            copies: 2,
            delay: 2,
            kills: 30,
            deadline: 400,
            ..three(seed)
        };
        let (world, order) = run(plan, cast);
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "seed {seed}");
        assert_paid(&world, (seed % 2) as usize);
    }
}
