//! A validator goes on from what its disk holds.
//!
//! Nothing is certain before a sync, and of what was written before one any part may survive: so the
//! power going in place of every sync is the power going in place of every operation.

use assay_sim::{Fault, Scenario, run};

use crate::cases;

#[test]
fn a_validator_goes_on_wherever_the_power_goes() {
    let seeds = cases().div_ceil(10);
    for seed in 0..seeds {
        let mut scenario = Scenario::quiet(1, seed, 5_000);
        for round in 0..3 {
            scenario.faults.push(Fault::PowerCut {
                at_ms: 100 + 1_400 * round + 97 * seed % 300,
                validators: vec![0],
                sync: 1 + (seed + 3 * round) % 11,
            });
        }
        let report = run(&scenario).unwrap();
        assert!(report.is_safe(), "seed {seed}: {}", report.table());
        assert_eq!(report.killed, 3, "seed {seed}: {}", report.table());
        let last = report.height_at(3_500);
        assert!(report.height > last, "seed {seed}: {}", report.table());
    }
    println!("seeds 0 to {}", seeds - 1);
}
