//! How often cheaters are caught: the share of seeded runs against `1 - (1 - beta)^q`.
//!
//! The seeds are fixed, so a run of the tests gives the same figures every time; the interval is
//! the central 95% of the binomial distribution, which an unlucky set of seeds misses once in
//! twenty.

use std::sync::Arc;

use assay_ledger::{Amount, FailureReason, Outcome, Role};
use assay_proof::cheaters::{CopyPrograms, LazyPrograms, OtherDataPrograms, Share};
use assay_proof::harness::{Actor, BALANCE, Cast, CounterPrograms, Plan};
use assay_proof::odds::Probability;

use crate::{HEAVY, assert_unslashed, cases, counter, honest, run};

const SEGMENTS: u64 = 20;
const DRAWN: u32 = 5;

/// Three of ten segments are faked, a quarter is drawn: the formula gives 83.19%.
fn beta() -> Probability {
    Probability::ratio(3, 10)
}

fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        steps: 2 * SEGMENTS,
        segment_steps: 2,
        drawn: DRAWN,
        auditors: 1,
        attempts: 1,
        ..Plan::default()
    }
}

fn share(seed: u64) -> Share {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Share {
        beta: beta(),
        seed: bytes,
    }
}

/// Runs `cases` orders with this provider and compares how many times it was caught.
fn detection(name: &str, cheater: impl Fn(u64) -> Actor) {
    let cases = cases(40);
    let mut caught = 0;
    for seed in 0..cases {
        let cast = Cast {
            providers: vec![cheater(seed).bonded(HEAVY)],
            ..Cast::honest((0, 2, 4), counter)
        };
        let (world, order) = run(plan(seed), cast);
        let provider = world.all(Role::Provider)[0];
        match order.outcome {
            Some(Outcome::AttemptsUsed) => {
                let failure = &order.failures[0];
                assert_eq!(failure.reason, FailureReason::WrongResult, "seed {seed}");
                assert_eq!(failure.slashed, Amount::tokens(50), "seed {seed}");
                assert!(world.balance(provider) < BALANCE, "seed {seed}: paid");
                caught += 1;
            }
            Some(Outcome::Paid) => assert_eq!(order.disputes, [], "seed {seed}"),
            other => panic!("seed {seed}: {other:?}"),
        }
        assert_unslashed(&world, Role::Auditor, 0);
    }
    let expected = beta().detection(DRAWN);
    let (low, high) = interval(cases, f64::from(expected.ppm()) / 1e6);
    println!(
        "{name}: caught {caught} of {cases}, 95% interval {low} to {high}, formula {expected}"
    );
    assert!(
        (low..=high).contains(&caught),
        "{name}: {caught} of {cases}, not {low} to {high}"
    );
}

/// The central 95% of a binomial distribution; in logarithms, since `(1 - p)^n` underflows.
fn interval(n: u64, p: f64) -> (u64, u64) {
    let mut log = n as f64 * (1.0 - p).ln();
    let (mut sum, mut low) = (0.0, None);
    for k in 0..=n {
        sum += log.exp();
        if sum > 0.025 && low.is_none() {
            low = Some(k);
        }
        if sum >= 0.975 {
            return (low.unwrap_or(0), k);
        }
        log += ((n - k) as f64 / (k + 1) as f64 * p / (1.0 - p)).ln();
    }
    (low.unwrap_or(0), n)
}

#[test]
fn skipped_steps_are_found_as_often_as_the_formula_says() {
    detection("lazy provider", |seed| {
        Actor::provider(move || LazyPrograms {
            honest: CounterPrograms,
            share: share(seed),
        })
    });
}

#[test]
fn other_data_is_found_as_often_as_the_formula_says() {
    detection("other data", |seed| {
        Actor::provider(move || OtherDataPrograms {
            honest: CounterPrograms,
            share: share(seed),
            input: "train".to_owned(),
            bytes: Arc::new(vec![9]),
        })
    });
}

#[test]
fn a_copied_state_is_found_as_often_as_the_formula_says() {
    detection("copied first state", |seed| {
        Actor::provider(move || CopyPrograms {
            honest: CounterPrograms,
            share: share(seed),
        })
    });
}

#[test]
fn an_honest_provider_is_never_cut() {
    let cases = cases(40);
    for seed in 0..cases {
        let plan = Plan {
            auditors: 2,
            ..plan(seed)
        };
        let (world, order) = run(plan, honest());
        assert_eq!(order.outcome, Some(Outcome::Paid), "seed {seed}");
        assert_eq!(world.refused, [], "seed {seed}");
        assert_unslashed(&world, Role::Provider, 0);
        assert_unslashed(&world, Role::Auditor, 0);
    }
    println!("honest provider: cut in 0 of {cases}");
}

#[test]
fn the_interval_holds_the_central_mass() {
    assert_eq!(interval(200, 0.83193), (156, 176));
    assert_eq!(interval(10, 0.5), (2, 8));
    assert_eq!(interval(5_000, 0.5), (2_431, 2_569));
}
