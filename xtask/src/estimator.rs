//! Training steps of small models against PyTorch.

use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use crate::bench::{example, peer};

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
        let mut script = Command::new("python3");
        script.args(["bench/estimator_step.py", shape, "--repeats", "300"]);
        let peer: Option<Value> = match peer(&mut script)? {
            Some(text) => Some(serde_json::from_str(&text)?),
            None => None,
        };
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
