//! A CUDA device against cuBLAS and PyTorch + PEFT.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// What an H200's f32 products should reach.
const TARGET: f64 = 45.0;
/// Shape, rows and tokens a row of the steps.
const STEPS: [(&str, &str, &str); 3] = [
    ("smollm2", "4", "256"),
    ("smollm2", "16", "512"),
    ("llama1b", "8", "512"),
];

/// Measures everything; no rows where there is no device.
pub(crate) fn rows() -> Result<Vec<Value>> {
    let ours = ours("assay-kernel", "cuda", &[])?;
    if let Some(reason) = ours["not run"].as_str() {
        println!("not run: {reason}");
        return Ok(Vec::new());
    }
    let peer = peer("bench/cuda_peers.py", &[])?;
    let mut rows = Vec::new();
    for (metric, list, field) in [("gemm", "f32", "tflops"), ("int8", "int8", "tops")] {
        let (empty, none) = (Vec::new(), Value::Null);
        for row in ours[list].as_array().unwrap_or(&empty) {
            let own = match list {
                "f32" if row["form"] != "ab^T" => continue,
                "f32" => row["tflops"]["chosen"].as_f64(),
                _ => row["tops"].as_f64(),
            };
            let all = peer.as_ref().unwrap_or(&none)[list].as_array();
            let theirs = all.and_then(|all| {
                let found = all.iter().find(|peer| peer["shape"] == row["shape"])?;
                found[field].as_f64()
            });
            let square = row["shape"] == json!([4096, 4096, 4096]) && list == "f32";
            rows.push(json!({
                "metric": format!("cuda_{metric}/{}", name(&row["shape"])),
                "ours": own,
                "peer": theirs,
                "peer_name": "cuBLAS",
                "peer_version": peer.as_ref().map(|peer| json!([peer["torch"], peer["cuda"]])),
                "ratio": own.zip(theirs).map(|(own, theirs)| own / theirs),
                "unit": "Tflop/s",
                "device": ours["device"],
                "target_of_ours": square.then_some(TARGET),
            }));
        }
    }
    for (shape, batch, tokens) in STEPS {
        rows.push(step(shape, batch, tokens)?);
    }
    Ok(rows)
}

/// A LoRA step on both.
fn step(shape: &str, batch: &str, tokens: &str) -> Result<Value> {
    let own = ours("assay-model", "device_step", &[shape, "5", batch, tokens])?;
    let theirs = peer("bench/cuda_step.py", &[shape, batch, tokens])?;
    let speed = |of: &Value| of["tokens_per_second"].as_f64();
    let (found, wanted) = (speed(&own), theirs.as_ref().and_then(speed));
    Ok(json!({
        "metric": format!("cuda_step/{shape}/{batch}x{tokens}"),
        "ours": found,
        "peer": wanted,
        "peer_name": "PyTorch+PEFT, f32, SDPA",
        "peer_version": theirs.map(|peer| peer["torch"].clone()),
        "ratio": found.zip(wanted).map(|(found, wanted)| found / wanted),
        "unit": "tokens/s",
    }))
}

/// `4096x4096x4096`.
fn name(shape: &Value) -> String {
    let sizes = shape.as_array().map(Vec::as_slice).unwrap_or_default();
    let sizes: Vec<String> = sizes.iter().map(Value::to_string).collect();
    sizes.join("x")
}

/// What an example of a crate prints, built with CUDA and run on the first device.
fn ours(package: &str, example: &str, arguments: &[&str]) -> Result<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--release", "--quiet", "-p", package, "--features"])
        .args(["cuda", "--example", example, "--"])
        .args(arguments)
        .env("ASSAY_DEVICE", "cuda")
        .stdout(Stdio::piped())
        .spawn()?
        .wait_with_output()?;
    if !output.status.success() {
        bail!("example {example} of {package} did not finish");
    }
    serde_json::from_slice(&output.stdout).context("an example's output")
}

/// What a peer's script prints under the `python3` of the path; none where it cannot run.
fn peer(script: &str, arguments: &[&str]) -> Result<Option<Value>> {
    let output = Command::new("python3").arg(script).args(arguments).output();
    let output = output.context("python3")?;
    if output.status.success() {
        return serde_json::from_slice(&output.stdout)
            .context(script.to_owned())
            .map(Some);
    }
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    println!("{script}: {said}");
    Ok(None)
}
