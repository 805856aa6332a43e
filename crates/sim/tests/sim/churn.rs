//! Validators that come and go.

use assay_sim::{Fault, Scenario};

use crate::{cases, holds};

/// Validators, and seconds of virtual time at the full count of 40: together an hour of one core.
const FULL: [(usize, u64); 4] = [(4, 600), (7, 600), (31, 250), (64, 200)];

#[test]
fn while_validators_come_and_go_a_second_without_a_commit_is_rare() {
    let sizes = if cases() > 1 { &FULL[..] } else { &FULL[..1] };
    for (size, full) in sizes.iter().copied() {
        let seconds = (full * cases() / 40).clamp(20, full);
        let mut scenario = Scenario::quiet(size, 5, seconds * 1_000);
        scenario.faults = vec![Fault::Churn {
            at_ms: 1_000,
            until_ms: scenario.duration_ms,
            killed_per_mille: 10,
            away_ms: 5_000,
        }];
        holds(&scenario, |report| {
            let (all, committing) = (report.windows, report.committing);
            println!(
                "{size} validators, {} killed: {committing} of {all}",
                report.killed
            );
            assert!(committing * 1_000 >= all * 992, "{}", report.table());
        });
    }
}
