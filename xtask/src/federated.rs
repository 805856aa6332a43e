//! Rounds of many clients against Flower's simulation.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bench::example;

/// Clients, how many rounds both sides take, and how many times cheaper a round should be than the peer's.
const SIZES: [(u32, u32, f64); 3] = [(10, 12, 5.0), (100, 8, 10.0), (1_000, 6, 20.0)];

/// Measures clients and aggregation alone: no network, no ledger. Two rows a size, for time and for memory.
pub(crate) fn rows() -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for (clients, rounds, target) in SIZES {
        let arguments = [clients.to_string(), rounds.to_string()];
        let arguments = arguments.each_ref().map(String::as_str);
        let ours = example("assay-rounds", "fedavg", &arguments, 1, true)?;
        let ours: Value = serde_json::from_str(&ours)?;
        let peer = peer(&arguments)?;
        rows.push(row(
            "fedavg",
            clients,
            &ours,
            peer.as_ref(),
            "cpu_s_per_round",
            Some(target),
        )?);
        rows.push(row(
            "fedavg_memory",
            clients,
            &ours,
            peer.as_ref(),
            "peak_bytes",
            None,
        )?);
    }
    Ok(rows)
}

fn row(
    name: &str,
    clients: u32,
    ours: &Value,
    peer: Option<&Value>,
    field: &str,
    target: Option<f64>,
) -> Result<Value> {
    let mine = ours[field].as_f64().context("no figure of ours")?;
    let theirs = peer.and_then(|peer| peer[field].as_f64());
    let accuracy = |of: &Value| of["accuracy"].clone();
    Ok(json!({
        "metric": format!("{name}/{clients}"),
        "ours": mine,
        "peer": theirs,
        "peer_name": peer.map(|_| "Flower's simulation, FedAvg"),
        "peer_version": peer.map(|peer| peer["versions"].clone()),
        "ratio": theirs.map(|theirs| theirs / mine),
        "unit": if field == "peak_bytes" { "B" } else { "s" },
        "clock": "processor",
        "target": target,
        "accuracy": { "ours": accuracy(ours), "peer": peer.map(accuracy) },
    }))
}

/// What the peer's script prints; nothing where it is not installed.
fn peer(arguments: &[&str]) -> Result<Option<Value>> {
    let mut command = Command::new("python3");
    command.arg("bench/federated_peers.py").args(arguments);
    let output = command.stderr(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout)?;
            let last = text.lines().last().unwrap_or_default();
            Ok(Some(serde_json::from_str(last)?))
        }
        _ => {
            println!("not run: {command:?}; bench/setup_peers.sh installs the peer");
            Ok(None)
        }
    }
}
