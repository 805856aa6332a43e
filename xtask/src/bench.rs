//! Runs one bench and keeps its rows in `target/bench/NAME.json`.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};

/// The benches that exist.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Name {
    /// Matrix products against the processor's peak and other libraries.
    Gemm,
    /// LoRA step against PyTorch+PEFT, and what an audit costs.
    Train,
    /// Vault sealing against the bare cipher.
    Vault,
}

/// Builds and runs the bench.
pub(crate) fn run(name: Name) -> Result<()> {
    std::fs::create_dir_all("target/bench").context("target/bench")?;
    match name {
        Name::Gemm => report("gemm", crate::gemm::rows()?),
        Name::Train => train(),
        // Prints its own table and writes its own rows.
        Name::Vault => example("assay-vault", "bench", &[], false).map(drop),
    }
}

/// Runs an example of a crate on one thread; gives what it printed if `capture`.
fn example(package: &str, name: &str, arguments: &[&str], capture: bool) -> Result<String> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "run",
            "--release",
            "--quiet",
            "-p",
            package,
            "--example",
            name,
            "--",
        ])
        .args(arguments)
        .env("ASSAY_THREADS", "1");
    if capture {
        command.stdout(Stdio::piped());
    }
    let output = command.spawn()?.wait_with_output()?;
    if !output.status.success() {
        bail!("example {name} of {package} did not finish");
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn train() -> Result<()> {
    let mut rows = Vec::new();
    for (shape, peer, target) in [("demo", "glassllm", 1.0), ("bench", "hidden512", 1.0)] {
        let ours: Value =
            serde_json::from_str(&example("assay-model", "step_time", &[shape, "10"], true)?)?;
        let ours = ours["step_median_s"].as_f64().context("step_median_s")?;
        let theirs = peer_step(peer)?;
        let seconds = theirs
            .as_ref()
            .and_then(|peer| peer["seconds_median"].as_f64());
        rows.push(json!({
            "metric": format!("lora_step/{peer}/1"),
            "ours": ours,
            "peer": seconds,
            "peer_name": "PyTorch+PEFT (SDPA)",
            "peer_version": theirs.as_ref().map(|peer| peer["versions"].clone()),
            "ratio": seconds.map(|seconds| seconds / ours),
            "unit": "s",
            "target": target,
        }));
    }
    let cost: Value = serde_json::from_str(&example("assay-job", "audit_cost", &[], true)?)?;
    let (train, audit) = (&cost["train_seconds"], &cost["audit_seconds"]);
    let (train, audit) = (
        train.as_f64().context("train")?,
        audit.as_f64().context("audit")?,
    );
    rows.push(json!({
        "metric": "audit_overhead",
        "ours": audit,
        "peer": train,
        "peer_name": "the audited training run",
        "peer_version": cost,
        "ratio": train / audit,
        "unit": "s",
        "target": 2.0,
    }));
    report("train", rows)
}

/// One line of `bench/lora_step.py`; `None` where the peers are not installed.
fn peer_step(shape: &str) -> Result<Option<Value>> {
    let output = Command::new("python3")
        .args(["bench/lora_step.py", "--only", shape])
        .stderr(Stdio::inherit())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(Some(serde_json::from_slice(&output.stdout)?)),
        _ => {
            println!("not run: PyTorch+PEFT is missing; bench/setup_peers.sh installs it");
            Ok(None)
        }
    }
}

/// Prints the rows as a table and writes them.
fn report(name: &str, rows: Vec<Value>) -> Result<()> {
    println!(
        "{:<24} {:>10} {:>10} {:>7} {:>7}",
        "metric", "ours", "peer", "ratio", "target"
    );
    for row in &rows {
        let number = |field: &str| {
            row[field]
                .as_f64()
                .map_or_else(|| "not run".to_owned(), |value| format!("{value:.4}"))
        };
        let metric = row["metric"].as_str().unwrap_or_default();
        println!(
            "{metric:<24} {:>10} {:>10} {:>7} {:>7}",
            number("ours"),
            number("peer"),
            number("ratio"),
            number("target")
        );
    }
    let path = format!("target/bench/{name}.json");
    let all = json!({ "machine": machine(), "rows": rows });
    std::fs::write(&path, serde_json::to_vec_pretty(&all)?).context(path.clone())?;
    println!("rows in {path}");
    Ok(())
}

/// The processor, as the operating system names it.
fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']))
        .unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores")
}
