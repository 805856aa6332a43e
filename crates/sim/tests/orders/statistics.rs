//! How often cheaters are caught, on hash chains, and that nobody honest is; [`training`](super::training)
//! does the same on real training.

use assay_proof::Handle;
use assay_proof::lazy::{LazyPrograms, Share};
use assay_proof::odds::Probability;
use assay_sim::liars::providers::{CopyPrograms, OtherDataPrograms};
use assay_sim::orders::{Actor, CounterPrograms, Faked, Plan, Study, Tally};

use crate::{cases, counter};

/// Shares of the segments that are faked, in parts per million: one, two and six of twenty.
const SHARES: [u32; 3] = [50_000, 100_000, 300_000];

fn study(cases: u64) -> Study<CounterPrograms> {
    Study {
        plan: Plan::default(),
        segment_steps: 2,
        programs: counter,
        cases,
    }
}

fn assert_detected(name: &str, faked: Faked, cheater: impl Fn(Share) -> Actor) {
    for share in SHARES {
        let beta = Probability::from_ppm(share);
        let tally = study(cases(50)).cheating(beta, faked, &cheater);
        println!("{name}, {beta} faked: {tally}");
        assert!(tally.agrees(), "{name}, {beta} faked: {tally}");
    }
}

#[test]
fn detection_of_skipped_steps_is_what_the_formula_says() {
    assert_detected("lazy provider", Share::among, |share| {
        Actor::provider(move || LazyPrograms {
            honest: CounterPrograms,
            share,
        })
    });
}

#[test]
fn detection_of_other_data_is_what_the_formula_says() {
    assert_detected("other data", Share::among, |share| {
        Actor::provider(move || OtherDataPrograms {
            honest: CounterPrograms,
            share,
            input: "train".to_owned(),
            handle: Handle::in_memory(vec![9]),
        })
    });
}

#[test]
fn detection_of_a_copied_state_is_what_the_formula_says() {
    assert_detected("copied first state", Share::last_of, |share| {
        Actor::provider(move || CopyPrograms {
            honest: CounterPrograms,
            share,
        })
    });
}

#[test]
fn honest_runs_have_no_honest_loser() {
    let study = study(cases(200));
    study.honest();
    println!("honest runs from seed 0: {}, nobody cut", study.cases);
}

/// Figures of scipy's `binom.interval`.
#[test]
fn the_interval_holds_all_but_one_in_a_thousand() {
    let interval = |cases, ppm| {
        let expected = Probability::from_ppm(ppm);
        let tally = Tally {
            caught: 0,
            cases,
            expected,
        };
        tally.interval()
    };
    assert_eq!(interval(1_000, 831_930), (792, 870));
    assert_eq!(interval(5_000, 500_000), (2_384, 2_616));
    assert_eq!(interval(10, 500_000), (0, 10));
}
