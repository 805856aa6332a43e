//! The network on a virtual clock: liars, partitions, kills and restarts.
//!
//! `ASSAY_CASES` sets how many seeds each property is tried with, and with that how large the
//! networks are. A failure prints the scenario as a file, which `assay-sim run` repeats.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests, which fail by panicking"
)]

mod churn;
mod controls;
mod drawn;
mod equal;
mod failures;
mod files;
mod liars;

use assay_sim::{Fault, Report, Scenario, run};

/// How many seeds a property is tried with; `ASSAY_CASES` sets it.
fn cases() -> u64 {
    let cases = std::env::var("ASSAY_CASES").ok();
    cases.map_or(1, |cases| cases.parse().expect("ASSAY_CASES is a number"))
}

/// Networks to try: for each number of validators, how many seeds. Large ones are slow, and come
/// with many cases only.
fn sizes() -> Vec<(usize, u64)> {
    let shares = [(4, 1), (7, 4), (31, 20), (64, 40)];
    let of = |(size, share)| (size, cases() / share);
    shares
        .map(of)
        .into_iter()
        .filter(|(_, seeds)| *seeds > 0)
        .collect()
}

/// Runs a scenario in which nothing may happen that the protocol rules out, and looks at the rest.
fn holds(scenario: &Scenario, look: impl FnOnce(&Report)) {
    struct Told<'a>(&'a Scenario);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                println!("--- the scenario ---\n{}", self.0.to_toml());
            }
        }
    }
    let _told = Told(scenario);
    scenario.check().unwrap();
    let report = run(scenario).unwrap();
    assert!(report.is_safe(), "{}", report.table());
    look(&report);
}

/// All validators but these.
fn others(count: usize, but: &[usize]) -> Vec<usize> {
    (0..count).filter(|v| !but.contains(v)).collect()
}

/// So many validators, spread over the order in which they propose.
fn spread(count: usize, size: usize) -> Vec<usize> {
    (0..count).map(|place| (2 + 3 * place) % size).collect()
}

fn kill(at_ms: u64, validators: &[usize]) -> Fault {
    let validators = validators.to_vec();
    Fault::Kill { at_ms, validators }
}

fn restart(at_ms: u64, validators: &[usize]) -> Fault {
    let validators = validators.to_vec();
    Fault::Restart { at_ms, validators }
}
