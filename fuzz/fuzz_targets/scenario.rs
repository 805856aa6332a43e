//! Scenario files: what is accepted passes its own check, and says the same when written and read
//! again.
#![no_main]

use assay_sim::Scenario;
use libfuzzer_sys::fuzz_target;

const EVERYTHING: &str = r#"validators = 7
seed = 9
duration_ms = 20000
busy = false
[links]
latency_ms = 20
jitter_ms = 10
lost_per_mille = 2
[pace]
leader_timeout_ms = 500
[[liars]]
kind = "equivocator"
validators = [2]
[[liars]]
kind = "twins"
validators = [4]
[[faults]]
what = "kill"
at_ms = 1
validators = [0, 1]
[[faults]]
what = "restart"
at_ms = 2
validators = [0]
[[faults]]
what = "power-cut"
at_ms = 3
validators = [1]
sync = 2
[[faults]]
what = "partition"
at_ms = 4
parts = [[0, 1], [2]]
[[faults]]
what = "heal"
at_ms = 5
[[faults]]
what = "links"
at_ms = 6
[faults.links]
latency_ms = 100
[[faults]]
what = "kill-leader"
at_ms = 7
others = 1
[[faults]]
what = "churn"
at_ms = 8
until_ms = 9
killed_per_mille = 10
away_ms = 5000
"#;

fn seeds() -> Vec<Vec<u8>> {
    let small = "validators = 1\nduration_ms = 1\n".to_owned();
    [small, EVERYTHING.to_owned(), Scenario::drawn(1).to_toml()]
        .map(String::into_bytes)
        .into()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(scenario) = Scenario::parse(text) else {
        return;
    };
    scenario.check().expect("what was read was checked");
    let again = Scenario::parse(&scenario.to_toml()).expect("what was written is read");
    assert_eq!(again, scenario);
});
