//! Histories that nobody wrote down.

use assay_sim::Scenario;

use crate::{cases, holds};

#[test]
fn drawn_histories_never_fork_and_go_on_when_all_are_back() {
    // Counted from a seed of its own, so that more cases are other cases too.
    let first = 1_000;
    for seed in first..first + cases() {
        println!("assay-sim replay {seed}");
        let scenario = Scenario::drawn(seed);
        holds(&scenario, |report| {
            let quiet = report.height_at(scenario.duration_ms - 7_000);
            assert!(report.height > quiet, "{}", report.table());
            assert!(report.height - report.lowest <= 12, "{}", report.table());
        });
    }
}

#[test]
fn every_drawn_scenario_is_possible_and_a_file() {
    for seed in 0..2_000 {
        let scenario = Scenario::drawn(seed);
        let text = scenario.to_toml();
        let read = Scenario::parse(&text).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{text}"));
        assert_eq!(read, scenario, "seed {seed}");
    }
}
