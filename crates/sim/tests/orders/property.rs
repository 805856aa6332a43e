//! The property that the whole game is for: whoever keeps to the protocol loses nothing, is paid for
//! work that stands, and is kept out by nobody for long, whatever the terms and whoever lies.

use std::collections::BTreeMap;

use assay_sim::{ProcedureName, Rule, Scenario, run};

use crate::cases;

/// The first seed; `ASSAY_FROM` sets it, so that many worlds can be run in parts.
fn from() -> u64 {
    match std::env::var("ASSAY_FROM") {
        Ok(text) => text.parse().expect("ASSAY_FROM is a whole number"),
        Err(_) => 0,
    }
}

/// Seeds that were found unsound once, far beyond those that are always run.
const SEEN: [u64; 2] = [96_439, 102_938];

#[test]
fn whoever_keeps_to_the_protocol_loses_nothing_and_is_paid() {
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    let (first, count) = (from(), cases(2_000));
    for seed in (first..first + count).chain(SEEN) {
        let scenario = Scenario::drawn_order(seed);
        scenario.check().unwrap();
        let report = run(&scenario).unwrap();
        let order = &report.orders[0];
        assert!(
            report.is_safe(),
            "seed {seed}: assay-sim draw --order {seed}\n{}\n--- the scenario ---\n{}",
            report.table(),
            scenario.to_toml()
        );
        let mut count = |what| *kinds.entry(what).or_default() += 1;
        for ending in &order.endings {
            *outcomes.entry(ending.outcome.clone()).or_default() += 1;
            count(match ending.procedure {
                ProcedureName::Traced => "audited orders",
                ProcedureName::Redundant => "orders with copies",
                ProcedureName::Rounds => "orders with rounds",
            });
        }
        for party in &order.parties {
            party.lie.map(&mut count);
        }
        for happening in &scenario.orders[0].happenings {
            count(happening.name());
        }
        if scenario.engine {
            count("worlds on the engine");
        }
        if order.endings.len() > 1 {
            count("worlds of several orders");
        }
    }
    println!("{count} worlds from seed {first}: {outcomes:#?}\n{kinds:#?}");
    assert!(outcomes.len() >= 3, "{outcomes:?}");
    let with_rounds = kinds.get("orders with rounds").copied().unwrap_or_default();
    assert!(with_rounds >= count / 12, "{with_rounds} of {count}");
}

/// Where the first seeds stand with which a rule that is left out shows what it is for.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/simulation.md");

#[test]
fn drawn_worlds_find_out_what_each_rule_is_for() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    for rule in Rule::ALL {
        let name = format!("| `{}` | ", rule.name());
        let mut rows = page.lines().filter_map(|line| line.split_once(&name));
        let (_, row) = rows.next().unwrap();
        let seed: u64 = row.trim_end_matches([' ', '|']).parse().unwrap();
        let scenario = Scenario::drawn_without(seed, &[rule]);
        assert_eq!(Scenario::parse(&scenario.to_toml()).unwrap(), scenario);
        let wrongs = run(&scenario).unwrap().orders[0].wrongs();
        assert!(!wrongs.is_empty(), "without {name} seed {seed} is sound");
        println!("without {name} seed {seed}: {}", wrongs[0]);
        let kept = run(&Scenario::drawn_order(seed)).unwrap();
        assert!(kept.is_safe(), "seed {seed}\n{}", kept.table());
    }
}
