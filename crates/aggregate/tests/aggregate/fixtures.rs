//! The same as Flower and NumPy (`bench/make_aggregate_fixtures.py`).

use assay_aggregate::{Rows, Settings, aggregate};
use serde_json::Value;

use crate::common::{kernel, seed};

fn integers(value: &Value) -> Vec<i32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn every_rule_gives_what_others_give() {
    let text = include_str!("../fixtures/rules.json");
    let all: Value = serde_json::from_str(text).unwrap();
    let cases = all["cases"].as_array().unwrap();
    assert!(cases.len() > 50);
    for case in cases {
        let set = case["updates"].as_u64().unwrap() as usize;
        let rows: Vec<Vec<i32>> = all["updates"][set]
            .as_array()
            .unwrap()
            .iter()
            .map(integers)
            .collect();
        let bits = all["bits"][set].as_u64().unwrap() as u8;
        let settings: Settings = serde_json::from_value(case["settings"].clone()).unwrap();
        let mut updates = Rows::new(&rows, bits).unwrap();
        if let Some(weights) = case.get("weights") {
            updates = updates
                .weighted(serde_json::from_value(weights.clone()).unwrap())
                .unwrap();
        }
        let outcome = aggregate(&kernel(), &updates, &settings, &seed()).unwrap();
        let expected = integers(&case["expected"]);
        assert_eq!(outcome.update.len(), expected.len());
        let tolerance = case["tolerance"].as_i64().unwrap() as i32;
        let far = outcome
            .update
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .max();
        assert!(
            far <= Some(tolerance),
            "{} of set {set}: {far:?} steps away",
            case["name"]
        );
    }
}
