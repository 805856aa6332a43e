//! How often cheaters are caught, on hash chains; `assay-job` does the same on real training.

use assay_proof::Handle;
use assay_proof::lazy::{LazyPrograms, Share};
use assay_sim::liars::providers::{CopyPrograms, OtherDataPrograms};
use assay_sim::orders::{Actor, CounterPrograms, Plan, Study};

use crate::{cases, counter};

fn study() -> Study<CounterPrograms> {
    Study {
        plan: Plan::default(),
        segment_steps: 2,
        programs: counter,
        cases: cases(40),
    }
}

fn assert_detected(name: &str, cheater: impl Fn(Share) -> Actor) {
    let tally = study().cheating(cheater);
    println!("{name}: {tally}");
    assert!(tally.agrees(), "{name}: {tally}");
}

#[test]
fn skipped_steps_are_found_as_often_as_the_formula_says() {
    assert_detected("lazy provider", |share| {
        Actor::provider(move || LazyPrograms {
            honest: CounterPrograms,
            share,
        })
    });
}

#[test]
fn other_data_is_found_as_often_as_the_formula_says() {
    assert_detected("other data", |share| {
        Actor::provider(move || OtherDataPrograms {
            honest: CounterPrograms,
            share,
            input: "train".to_owned(),
            handle: Handle::in_memory(vec![9]),
        })
    });
}

#[test]
fn a_copied_state_is_found_as_often_as_the_formula_says() {
    assert_detected("copied first state", |share| {
        Actor::provider(move || CopyPrograms {
            honest: CounterPrograms,
            share,
        })
    });
}

#[test]
fn an_honest_provider_is_never_cut() {
    let study = study();
    study.honest();
    println!("honest provider: cut in 0 of {}", study.cases);
}
