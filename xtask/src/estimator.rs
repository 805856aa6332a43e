//! Training steps of small models against PyTorch.

use std::process::{Command, Stdio};

use anyhow::Result;
use serde_json::{Value, json};

use crate::bench::example;

/// Shapes of `bench/estimator_step.py`.
const SHAPES: [&str; 4] = ["logistic", "softmax", "mlp", "cnn"];

/// One row for each shape, on one thread.
pub(crate) fn rows() -> Result<Vec<Value>> {
    let rows = SHAPES.into_iter().map(|shape| {
        let ours = example(
            "assay-estimator",
            "estimator_step",
            &[shape, "300"],
            1,
            true,
        )?;
        let ours: Value = serde_json::from_str(&ours)?;
        let peer = peer(shape)?;
        let seconds = ours["step_median_s"].as_f64();
        let theirs = peer
            .as_ref()
            .and_then(|peer| peer["seconds_median"].as_f64());
        Ok(json!({
            "metric": format!("estimator_step/{shape}/1"),
            "ours": seconds,
            "peer": theirs,
            "peer_name": peer.as_ref().map(|_| "PyTorch, stock"),
            "peer_version": peer.map(|peer| peer["versions"].clone()),
            "ratio": seconds.zip(theirs).map(|(ours, theirs)| theirs / ours),
            "unit": "s",
            "target": null,
        }))
    });
    rows.collect()
}

/// One line of `bench/estimator_step.py`; none where PyTorch is not installed.
fn peer(shape: &str) -> Result<Option<Value>> {
    let output = Command::new("python3")
        .args(["bench/estimator_step.py", shape, "--repeats", "300"])
        .stderr(Stdio::piped())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(Some(serde_json::from_slice(&output.stdout)?)),
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            println!(
                "not run: {shape}: {}",
                said.lines().last().unwrap_or_default()
            );
            Ok(None)
        }
        Err(error) => {
            println!("not run: python3: {error}");
            Ok(None)
        }
    }
}
