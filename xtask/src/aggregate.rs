//! Aggregation rules against Flower's own functions.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bench::{example, peer};

/// Updates and coordinates.
const SIZE: [&str; 2] = ["100", "100000"];
/// Samples of a rule in each round.
const SAMPLES: &str = "3";
/// Both programs take turns so often, so that a slow minute of the machine meets both.
const ROUNDS: usize = 3;
/// Rules, and how many times faster than the peer they should be.
const RULES: [(&str, Option<f64>); 6] = [
    ("krum", Some(20.0)),
    ("bulyan", Some(100.0)),
    ("median", None),
    ("trimmed_mean", None),
    ("mean", None),
    ("geometric_median", None),
];

/// Seconds of processor time by rule.
type Seconds = BTreeMap<String, Vec<f64>>;

/// Measures everything on one thread; one row a rule.
pub(crate) fn rows() -> Result<Vec<Value>> {
    let (mut ours, mut theirs) = (Seconds::new(), Seconds::new());
    let mut versions = Value::Null;
    for round in 0..ROUNDS {
        // Half a minute of the peer's Bulyan is sampled once.
        let slow = |rule: &&str| round == 0 || *rule != "bulyan";
        let rules: Vec<&str> = RULES.iter().map(|(rule, _)| *rule).filter(slow).collect();
        let sizes = [SIZE[0], SIZE[1], SAMPLES];
        let text = example(
            "assay-aggregate",
            "speed",
            &[&sizes[..], &rules[..]].concat(),
            1,
            true,
        )?;
        read(&text, &mut ours);
        let mut script = Command::new("python3");
        script
            .arg("bench/aggregate_peers.py")
            .args(sizes)
            .args(&rules);
        if let Some(text) = peer(&mut script)? {
            let last = text.lines().last().unwrap_or_default();
            versions = serde_json::from_str(last).unwrap_or(Value::Null);
            read(&text, &mut theirs);
        }
    }
    let row = |(rule, target): (&str, Option<f64>)| -> Result<Value> {
        let mine = median(ours.get(rule).context("no sample of ours")?);
        let peer = theirs.get(rule).map(|seconds| median(seconds));
        let name = match rule {
            "geometric_median" => "the same steps in NumPy",
            _ => "Flower",
        };
        Ok(json!({
            "metric": format!("{rule}/{}x{}", SIZE[0], SIZE[1]),
            "ours": mine,
            "peer": peer,
            "peer_name": peer.map(|_| name),
            "peer_version": versions,
            "ratio": peer.map(|peer| peer / mine),
            "unit": "s",
            "clock": "processor",
            "target": target,
        }))
    };
    RULES.into_iter().map(row).collect()
}

/// Adds lines `rule seconds`; others are skipped.
fn read(text: &str, seconds: &mut Seconds) {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    for (rule, time) in pairs {
        if let Ok(time) = time.parse() {
            seconds.entry(rule.to_owned()).or_default().push(time);
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
