//! Runs one bench and keeps its rows in `target/bench/NAME.json`.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};

/// The benches that exist.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Name {
    /// Aggregation rules against Flower's.
    Aggregate,
    /// Products and LoRA steps on a CUDA device against cuBLAS and PyTorch+PEFT.
    Cuda,
    /// Training steps of small models against PyTorch.
    Estimator,
    /// Rounds of many clients against Flower's simulation.
    Federated,
    /// Matrix products against the processor's peak and other libraries.
    Gemm,
    /// LoRA step against PyTorch+PEFT, and what an audit costs.
    Train,
    /// Vault sealing against the bare cipher.
    Vault,
    /// What verifying a run costs next to the run, by its number of segments.
    Verify,
}

/// Builds and runs the bench.
pub(crate) fn run(name: Name) -> Result<()> {
    std::fs::create_dir_all("target/bench").context("target/bench")?;
    match name {
        Name::Aggregate => report("aggregate", crate::aggregate::rows()?),
        Name::Cuda => report("cuda", crate::cuda::rows()?),
        Name::Estimator => report("estimator", crate::estimator::rows()?),
        Name::Federated => report("federated", crate::federated::rows()?),
        Name::Gemm => report("gemm", crate::gemm::rows()?),
        Name::Train => train(),
        // Prints its own table and writes its own rows.
        Name::Vault => example("assay-vault", "bench", &[], 1, false).map(drop),
        Name::Verify => report("verify", verification()?),
    }
}

/// Runs an example of a crate on so many threads; gives what it printed if `capture`.
pub(crate) fn example(
    package: &str,
    name: &str,
    arguments: &[&str],
    threads: u32,
    capture: bool,
) -> Result<String> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--release", "--quiet", "-p", package])
        .args(["--example", name, "--"])
        .args(arguments)
        .env("ASSAY_THREADS", threads.to_string());
    if capture {
        command.stdout(Stdio::piped());
    }
    let output = command.spawn()?.wait_with_output()?;
    if !output.status.success() {
        bail!("example {name} of {package} did not finish");
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Shapes of `bench/lora_step.py`, and whether the targets are about them.
const SHAPES: [(&str, bool); 4] = [
    ("glassllm", false),
    ("hidden512", true),
    ("hidden288", true),
    ("smollm2", true),
];
/// What PyTorch can be told to be faster.
const SETTINGS: [&str; 5] = ["eager", "compiled", "flushed", "avx512", "hugepages"];

fn train() -> Result<()> {
    let mut rows = Vec::new();
    for (shape, aimed) in SHAPES {
        for threads in [1, 2] {
            let arguments = [shape, "5"];
            let ours = example("assay-model", "step_time", &arguments, threads, true)?;
            let ours: Value = serde_json::from_str(&ours)?;
            let stock = peer_step(shape, threads, "stock")?;
            let others = SETTINGS
                .iter()
                .map(|setting| peer_step(shape, threads, setting));
            let others = others.collect::<Result<Vec<_>>>()?;
            let seconds = |peer: &Value| peer["seconds_median"].as_f64().unwrap_or(f64::INFINITY);
            let all = stock.iter().chain(others.iter().flatten());
            let fastest = all.min_by(|a, b| seconds(a).total_cmp(&seconds(b)));
            let step = |kind: &str, peer: Option<&Value>, target: f64| {
                let metric = format!("lora_step/{shape}/{threads}/{kind}");
                let (ours, target) = (&ours["step_median_s"], aimed.then_some(target));
                compared(metric, ours, peer, "seconds_median", "s", target)
            };
            rows.push(step("stock", stock.as_ref(), 2.5));
            rows.push(step("fastest", fastest, 1.5));
            // The same step with frozen products in integers: another arithmetic, so no target.
            let integers = [shape, "5", "float32", "w8a8"];
            let integers = example("assay-model", "step_time", &integers, threads, true)?;
            let integers: Value = serde_json::from_str(&integers)?;
            let metric = format!("lora_step_w8a8/{shape}/{threads}/stock");
            let (seconds, peer) = (&integers["step_median_s"], stock.as_ref());
            rows.push(compared(metric, seconds, peer, "seconds_median", "s", None));
            let (metric, target) = (
                format!("lora_memory/{shape}/{threads}"),
                aimed.then_some(1.0 / 0.6),
            );
            let (ours, peer) = (&ours["peak_bytes"], stock.as_ref());
            rows.push(compared(metric, ours, peer, "peak_bytes", "B", target));
        }
    }
    rows.push(audit()?);
    report("train", rows)
}

/// A row that compares one of our figures with a peer's.
fn compared(
    metric: String,
    ours: &Value,
    peer: Option<&Value>,
    field: &str,
    unit: &str,
    target: Option<f64>,
) -> Value {
    let (ours, theirs) = (ours.as_f64(), peer.and_then(|peer| peer[field].as_f64()));
    let setting = peer.and_then(|peer| peer["setting"].as_str());
    json!({
        "metric": metric,
        "ours": ours,
        "peer": theirs,
        "peer_name": setting.map(|setting| format!("PyTorch+PEFT, {setting}")),
        "peer_version": peer.map(|peer| peer["versions"].clone()),
        "ratio": ours.zip(theirs).map(|(ours, theirs)| theirs / ours),
        "unit": unit,
        "target": target,
    })
}

/// Segments of the runs that are verified, and the least ratio aimed at.
const RUNS: [(u32, Option<f64>); 3] = [(16, None), (100, None), (1_000, Some(10.0))];

/// What one auditor's verification costs next to the run that it verifies. As many segments are drawn as
/// find a tenth of them faked with 99%.
fn verification() -> Result<Vec<Value>> {
    let compiler = Command::new("rustc").arg("--version").output()?;
    let compiler = String::from_utf8_lossy(&compiler.stdout).trim().to_owned();
    println!("{}; {compiler}", machine());
    let rows = RUNS.into_iter().map(|(segments, target)| {
        let arguments = [segments.to_string(), DRAWN.to_string()];
        let arguments = arguments.each_ref().map(String::as_str);
        let cost = example("assay-job", "verify_cost", &arguments, 1, true)?;
        let mut cost: Value = serde_json::from_str(&cost)?;
        cost["compiler"] = json!(compiler);
        let seconds = |field: &str| cost[field].as_f64().context(field.to_owned());
        let (train, verify) = (seconds("train_seconds")?, seconds("verify_seconds")?);
        Ok(json!({
            "metric": format!("verification/{segments}"),
            "ours": verify,
            "peer": train,
            "peer_name": "the verified training run",
            "peer_version": cost,
            "ratio": train / verify,
            "unit": "s",
            "target": target,
        }))
    });
    rows.collect()
}

/// Draws that find a share of a tenth with 99% (`assay_proof::odds::draws_for` gives 44).
const DRAWN: u32 = 45;

/// What an audit costs next to the training that it audits.
fn audit() -> Result<Value> {
    let cost: Value = serde_json::from_str(&example("assay-job", "audit_cost", &[], 1, true)?)?;
    let (train, audit) = (&cost["train_seconds"], &cost["audit_seconds"]);
    let (train, audit) = (
        train.as_f64().context("train")?,
        audit.as_f64().context("audit")?,
    );
    Ok(json!({
        "metric": "audit_overhead",
        "ours": audit,
        "peer": train,
        "peer_name": "the audited training run",
        "peer_version": cost,
        "ratio": train / audit,
        "unit": "s",
        "target": 2.0,
    }))
}

/// What a peer's script ends with where the peer is not installed: `NOT_RUN` in `bench/peers/environment.py`.
const NOT_INSTALLED: i32 = 3;

/// What a peer's script prints; nothing, with a line that says why, where the peer is not installed. A script that
/// fails is no peer that is missing.
pub(crate) fn peer(script: &mut Command) -> Result<Option<String>> {
    let output = match script.output() {
        Ok(output) => output,
        Err(error) => {
            println!("not run: {script:?}: {error}");
            return Ok(None);
        }
    };
    let said = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().last().unwrap_or_default().to_owned()
    };
    match output.status.code() {
        Some(0) => Ok(Some(String::from_utf8(output.stdout)?)),
        Some(NOT_INSTALLED) => {
            println!("{}", said(&output.stdout));
            Ok(None)
        }
        _ => bail!("{script:?} failed: {}", said(&output.stderr)),
    }
}

/// One line of `bench/lora_step.py`; `None` where the peers are not installed or cannot do this.
fn peer_step(shape: &str, threads: u32, setting: &str) -> Result<Option<Value>> {
    let threads = threads.to_string();
    let output = Command::new("python3")
        .args([
            "bench/lora_step.py",
            shape,
            "--threads",
            &threads,
            "--setting",
            setting,
        ])
        .stderr(Stdio::piped())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(Some(serde_json::from_slice(&output.stdout)?)),
        Ok(output) => {
            let said =
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            let last = said.lines().last().unwrap_or_default().to_owned();
            println!("not run: {shape}, {threads} threads, {setting}: {last}");
            Ok(None)
        }
        Err(error) => {
            println!("not run: python3: {error}");
            Ok(None)
        }
    }
}

/// Prints the rows as a table and writes them.
fn report(name: &str, rows: Vec<Value>) -> Result<()> {
    println!(
        "{:<32} {:>14} {:>14} {:>8} {:>8}",
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
            "{metric:<32} {:>14} {:>14} {:>8} {:>8}",
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
