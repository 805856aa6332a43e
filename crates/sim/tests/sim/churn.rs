//! Validators that come and go.

use assay_sim::{Fault, Scenario};

use crate::{cases, holds};

/// Seconds of one run: 20 unless told, ten minutes at the full count of 40.
fn seconds() -> u64 {
    (15 * cases()).clamp(20, 600)
}

#[test]
fn while_validators_come_and_go_a_second_without_a_commit_is_rare() {
    for size in if cases() > 1 { vec![4, 7] } else { vec![4] } {
        let mut scenario = Scenario::quiet(size, 5, seconds() * 1_000);
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
