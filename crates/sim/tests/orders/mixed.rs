//! Any mixture of liars and interruptions: whoever keeps the rules loses nothing.

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_ledger::{FailureReason, Role};
use assay_proof::Handle;
use assay_proof::lazy::{LazyPrograms, Share};
use assay_proof::odds::Probability;
use assay_sim::liars::auditors::{BlindPrograms, CopyingAuditor, FalseChallenge, rubber_stamp};
use assay_sim::liars::judges::ConstantJudge;
use assay_sim::liars::providers::{
    CopyPrograms, CraftedPrograms, OtherDataPrograms, Withheld, WithholdingProvider,
};
use assay_sim::orders::{Actor, Cast, CounterPrograms, Plan};

use crate::with_provider;
use crate::{HEAVY, assert_caught, assert_unslashed, cases, counter, honest, lazy, run};

/// A provider that lies in one way or another.
fn provider(dice: &mut Stream) -> Actor {
    let share = Share {
        beta: Probability::from_ppm(dice.below(1_000_000) as u32),
        seed: [dice.below(256) as u8; 32],
    };
    let honest = CounterPrograms;
    match dice.below(6) {
        0 => Actor::provider(move || LazyPrograms { honest, share }),
        1 => Actor::provider(move || CopyPrograms { honest, share }),
        2 => Actor::provider(move || OtherDataPrograms {
            honest,
            share,
            input: "train".to_owned(),
            handle: Handle::in_memory(vec![9]),
        }),
        3 => Actor::provider(move || CraftedPrograms { honest, ahead: 1 }),
        4 => Actor::new(
            |me| WithholdingProvider::new(me, Withheld::GoodGrants),
            counter,
        ),
        _ => Actor::new(
            |me| WithholdingProvider::new(me, Withheld::Checkpoints),
            counter,
        ),
    }
}

/// An auditor that lies in one way or another.
fn auditor(dice: &mut Stream) -> Actor {
    let honest = CounterPrograms;
    let truthful = dice.below(4);
    match dice.below(5) {
        0 => Actor::auditor(move || rubber_stamp(honest)),
        1 => Actor::auditor(move || FalseChallenge { honest, truthful }),
        2 => Actor::auditor(move || BlindPrograms {
            honest,
            from_the_start: truthful == 0,
        }),
        3 => Actor::new(CopyingAuditor::new, counter),
        _ => Actor::auditor(counter),
    }
}

/// Two lying providers and two lying auditors before as many honest ones, one lying validator.
fn mixture(seed: u64) -> Cast {
    let mut dice = Stream::new(Digest::ZERO, "mixture", seed);
    let mut cast = honest();
    for _ in 0..2 {
        cast.providers.insert(0, provider(&mut dice).bonded(HEAVY));
        cast.auditors.insert(0, auditor(&mut dice).bonded(10_000));
    }
    cast.validators.pop();
    let leaf = (dice.below(2) == 0).then_some(Digest::ZERO);
    cast.validators
        .push(Actor::new(move |me| ConstantJudge::new(me, leaf), counter));
    cast
}

#[test]
fn who_keeps_the_rules_keeps_its_bond() {
    for seed in 0..cases(40) {
        let plan = Plan {
            seed,
            steps: 24,
            segment_steps: 4,
            attempts: 4,
            delay: 1,
            kills: 10,
            deadline: 200,
            ..Plan::default()
        };
        println!("mixture {seed}");
        let (world, order) = run(plan, mixture(seed));
        assert!(order.head.outcome.is_some());
        assert_unslashed(&world, Role::Provider, 2);
        assert_unslashed(&world, Role::Auditor, 2);
    }
}

#[test]
fn one_lying_validator_in_four_changes_no_verdict() {
    for leaf in [None, Some(Digest::ZERO)] {
        let mut cast = with_provider(lazy(Probability::ALWAYS, 1));
        cast.validators[0] = Actor::new(move |me| ConstantJudge::new(me, leaf), counter);
        let (world, order) = run(Plan::default(), cast);
        assert_caught(&world, &order, FailureReason::WrongResult);
    }
}
