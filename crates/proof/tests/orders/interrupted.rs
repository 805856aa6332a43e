//! Parties are killed at random and built anew from their journals: nothing changes but time.

use assay_ledger::{Amount, Outcome, Phase, Role};
use assay_proof::harness::{BALANCE, Plan, World};
use assay_proof::odds::Probability;

use crate::{assert_caught, cases, counter, failures, honest, lazy, run, with_provider};

/// Killed at every 25th output and block on average, with slow answers in between.
fn rough(seed: u64) -> Plan {
    Plan {
        seed,
        delay: 2,
        kills: 40,
        deadline: 400,
        ..Plan::default()
    }
}

#[test]
fn kills_change_no_outcome_and_nothing_is_paid_twice() {
    let mut kills = 0;
    for seed in 0..cases(40) {
        let (world, order) = run(rough(seed), honest());
        kills += world.members.iter().map(|member| member.kills).sum::<u32>();
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "seed {seed}");
        assert_eq!(failures(&order), [], "seed {seed}");
        assert_eq!(order.disputes, [], "seed {seed}");
        for role in [Role::Provider, Role::Auditor] {
            crate::assert_unslashed(&world, role, 0);
        }
        let income = |member: usize| world.balance(member).0.saturating_sub(BALANCE.0);
        let earned: u64 = (1..world.members.len()).map(income).sum();
        assert!(earned < Amount::tokens(110).0, "seed {seed}: {earned}");
    }
    assert!(kills > 100, "{kills} kills are no test");
}

#[test]
fn kills_save_no_cheater() {
    for seed in 0..cases(40) / 4 {
        let cast = with_provider(lazy(Probability::ALWAYS, 1));
        let (world, order) = run(rough(seed), cast);
        assert_caught(&world, &order, assay_ledger::FailureReason::WrongResult);
    }
}

#[test]
fn a_killed_provider_goes_on_from_its_last_checkpoint() {
    let plan = Plan {
        steps: 40,
        delay: 3,
        deadline: 400,
        ..Plan::default()
    };
    let (_, undisturbed) = run(plan.clone(), honest());

    let mut world = World::new(plan, honest(), counter);
    world.run_until(|world| world.order().head.phase == Phase::Running);
    let provider = world.order().provider();
    let at = world
        .members
        .iter()
        .position(|m| Some(m.account) == provider)
        .unwrap();
    for _ in 0..30 {
        world.tick();
    }
    assert_eq!(
        world.order().head.phase,
        Phase::Running,
        "the kill is mid-run"
    );
    let before = world.members[at].steps;
    assert!(before > 0);
    world.kill(at);
    let order = world.run();
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(failures(&order), []);
    let repeated = world.members[at].steps - 40;
    assert!(repeated <= 6, "{repeated} steps of {before} were run again");
    assert_eq!(undisturbed.head.outcome, Some(Outcome::Paid));
}

#[test]
fn a_provider_that_stays_away_is_replaced() {
    let mut world = World::new(
        Plan {
            delay: 3,
            deadline: 60,
            ..Plan::default()
        },
        honest(),
        counter,
    );
    world.run_until(|world| world.order().head.phase == Phase::Running);
    let gone = world.order().provider();
    let at = world
        .members
        .iter()
        .position(|m| Some(m.account) == gone)
        .unwrap();
    world.members[at].stay_away();
    let order = world.run();
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(failures(&order).len(), 1);
    assert_eq!(failures(&order)[0].slashed, Amount::tokens(10));
    assert_ne!(order.provider(), gone);
}
