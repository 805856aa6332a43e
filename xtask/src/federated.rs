//! Rounds of many clients against Flower's simulation.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bench::{example, peer};

/// Clients, how many rounds both sides take, and how many times cheaper a round should be than the peer's.
const SIZES: [(u32, u32, f64); 3] = [(10, 12, 5.0), (100, 8, 10.0), (1_000, 6, 20.0)];

/// Measures clients and aggregation alone: no network, no ledger.
pub(crate) fn rows() -> Result<Vec<Value>> {
    SIZES.into_iter().map(row).collect()
}

fn row((clients, rounds, target): (u32, u32, f64)) -> Result<Value> {
    let arguments = [clients.to_string(), rounds.to_string()];
    let arguments = arguments.each_ref().map(String::as_str);
    let ours = example("assay-rounds", "fedavg", &arguments, 1, true)?;
    let ours: Value = serde_json::from_str(&ours)?;
    let mut script = Command::new("python3");
    script.arg("bench/federated_peers.py").args(arguments);
    let peer = match peer(&mut script)? {
        Some(text) => Some(serde_json::from_str(
            text.lines().last().unwrap_or_default(),
        )?),
        None => None,
    };
    let seconds = |of: &Value| of["cpu_s_per_round"].as_f64().context("no time");
    let mine = seconds(&ours)?;
    let theirs = peer.as_ref().map(seconds).transpose()?;
    let accuracy = |of: &Value| of["accuracy"].clone();
    Ok(json!({
        "metric": format!("fedavg/{clients}"),
        "ours": mine,
        "peer": theirs,
        "peer_name": peer.as_ref().map(|_| "Flower's simulation, FedAvg"),
        "peer_version": peer.as_ref().map(|peer: &Value| peer["versions"].clone()),
        "ratio": theirs.map(|theirs| theirs / mine),
        "unit": "s",
        "clock": "processor",
        "target": target,
        "accuracy": { "ours": accuracy(&ours), "peer": peer.as_ref().map(accuracy) },
    }))
}
