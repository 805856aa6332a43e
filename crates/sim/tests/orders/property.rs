//! The property that the whole game is for: whoever keeps to the protocol loses nothing, and is paid for
//! work that stands, whatever the terms and whoever lies.

use std::collections::BTreeMap;

use assay_sim::{ProcedureName, Scenario, run};

use crate::cases;

#[test]
fn whoever_keeps_to_the_protocol_loses_nothing_and_is_paid() {
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    let count = cases(2_000);
    for seed in 0..count {
        let scenario = Scenario::drawn_order(seed);
        scenario.check().unwrap();
        let report = run(&scenario).unwrap();
        let order = &report.orders[0];
        assert!(
            order.is_sound(),
            "seed {seed}: assay-sim draw --order {seed}\n{}\n--- the scenario ---\n{}",
            order.table(),
            scenario.to_toml()
        );
        *outcomes.entry(order.outcome.clone()).or_default() += 1;
        for liars in &scenario.orders[0].liars {
            *kinds.entry(liars.kind.name()).or_default() += 1;
        }
        let copies = match order.procedure {
            ProcedureName::Traced => "audited orders",
            ProcedureName::Redundant => "orders with copies",
        };
        *kinds.entry(copies).or_default() += 1;
    }
    println!("{count} orders from seed 0: {outcomes:#?}\n{kinds:#?}");
    assert!(outcomes.len() >= 3, "{outcomes:?}");
}
