//! Orders with an auditor that breaks the rules: it loses its bond, the provider is paid.

use assay_ledger::{Amount, Order, Outcome, Question, Role, Verdict};
use assay_sim::liars::auditors::{
    BlindPrograms, CopyingAuditor, FalseChallenge, RewoundAuditor, rubber_stamp,
};
use assay_sim::orders::{Actor, CounterPrograms, Plan, World};

use crate::{HEAVY, assert_unslashed, counter, failures, run, with_auditor};

/// The first auditor lost its bond and got nothing, and the order was paid regardless.
fn assert_cut(world: &World, order: &Order) {
    let cheater = world.all(Role::Auditor)[0];
    let left = Amount(Amount::tokens(HEAVY).0 - Amount::tokens(20).0);
    assert_eq!(world.bond(cheater, Role::Auditor), left);
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(failures(order), []);
    assert_eq!(
        order.run().map_or(0, |run| run.passed().count()),
        2,
        "its seat was drawn again"
    );
    assert_unslashed(world, Role::Auditor, 1);
    assert_unslashed(world, Role::Provider, 0);
}

#[test]
fn a_rubber_stamp_can_only_guess() {
    let stamp = Actor::auditor(|| rubber_stamp(CounterPrograms));
    let (world, order) = run(Plan::default(), with_auditor(stamp));
    assert_cut(&world, &order);
    assert_eq!(order.disputes[0].verdict, Some(Verdict::Provider));
}

#[test]
fn a_copied_commitment_cannot_be_revealed() {
    let copier = Actor::new(CopyingAuditor::new, counter);
    let (world, order) = run(Plan::default(), with_auditor(copier));
    assert_cut(&world, &order);
    assert!(!world.refused().is_empty(), "the copied reveal was refused");
}

/// A second commitment, from a journal without the first, counts for nothing.
#[test]
fn a_commitment_stands_whatever_becomes_of_the_journal() {
    let rewound = Actor::new(RewoundAuditor::new, counter);
    let (world, order) = run(Plan::default(), with_auditor(rewound));
    assert_cut(&world, &order);
    assert_eq!(order.disputes, []);
    let refused = world.refused();
    let told = |what: &str| refused.iter().any(|(_, why)| why.contains(what));
    assert!(told("commit_audit") && told("committed to"), "{refused:?}");
}

#[test]
fn a_false_challenge_costs_the_challenger_wherever_it_is_raised() {
    let plan = Plan {
        segment_steps: 10,
        ..Plan::default()
    };
    for truthful in [0, 1, 4, 9] {
        let liar = Actor::auditor(move || FalseChallenge {
            honest: CounterPrograms,
            truthful,
        });
        let (world, order) = run(plan.clone(), with_auditor(liar));
        assert_cut(&world, &order);
        let dispute = &order.disputes[0];
        assert_eq!(dispute.question, Question::Step);
        assert_eq!(dispute.disputed.step.0 % 10, (truthful + 1) % 10);
    }
}

#[test]
fn claiming_to_have_been_granted_nothing_is_judged_by_the_grant() {
    for from_the_start in [false, true] {
        let blind = Actor::auditor(move || BlindPrograms {
            honest: CounterPrograms,
            from_the_start,
        });
        let (world, order) = run(Plan::default(), with_auditor(blind));
        assert_cut(&world, &order);
        let dispute = &order.disputes[0];
        // Programs that make no first state are a run of no step to it, which begins otherwise.
        let question = match from_the_start {
            true => Question::Initial,
            false => Question::Start,
        };
        assert_eq!(dispute.question, question);
        // The first of the drawn segments may be the run's first as well.
        let drawn = order.run().and_then(|run| run.rounds.first());
        let first = drawn.and_then(|round| round.segments.first());
        let at_start = first.is_some_and(|segment| segment.0 == 0);
        assert_eq!(dispute.from.step.0 == 0, from_the_start || at_start);
    }
}
