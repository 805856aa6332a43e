//! Parties are killed at random and built anew from their journals: nothing changes but time.

use assay_ledger::{Amount, Outcome, Phase, Role};
use assay_proof::odds::Probability;
use assay_sim::orders::{BALANCE, Plan, play};

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
        kills += world
            .members()
            .iter()
            .map(|member| member.kills)
            .sum::<u32>();
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "seed {seed}");
        assert_eq!(failures(&order), [], "seed {seed}");
        assert_eq!(order.disputes, [], "seed {seed}");
        for role in [Role::Provider, Role::Auditor] {
            crate::assert_unslashed(&world, role, 0);
        }
        let income = |member: usize| world.balance(member).0.saturating_sub(BALANCE.0);
        let earned: u64 = (1..world.members().len()).map(income).sum();
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

    let steps = play(plan, honest(), counter, async |play| {
        play.run_until(|world| world.order().head.phase == Phase::Running)
            .await;
        let at = play.place_of(play.order().provider().unwrap()).unwrap();
        for _ in 0..30 {
            play.tick().await;
        }
        let phase = play.order().head.phase;
        assert_eq!(phase, Phase::Running, "the kill is mid-run");
        assert!(play.members()[at].steps > 0);
        play.kill(at);
        let order = play.run().await;
        assert_eq!(order.head.outcome, Some(Outcome::Paid));
        assert_eq!(failures(&order), []);
        play.members()[at].steps
    });
    let repeated = steps - 40;
    assert!(repeated <= 6, "{repeated} steps were run again");
    assert_eq!(undisturbed.head.outcome, Some(Outcome::Paid));
}

#[test]
fn a_provider_that_stays_away_is_replaced() {
    let plan = Plan {
        delay: 3,
        deadline: 60,
        ..Plan::default()
    };
    let (gone, order) = play(plan, honest(), counter, async |play| {
        play.run_until(|world| world.order().head.phase == Phase::Running)
            .await;
        let gone = play.order().provider();
        play.stay_away(play.place_of(gone.unwrap()).unwrap());
        (gone, play.run().await)
    });
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(failures(&order).len(), 1);
    assert_eq!(failures(&order)[0].slashed, Amount::tokens(10));
    assert_ne!(order.provider(), gone);
}
