//! Matrix products against the processor's peak and against other libraries.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Rows, columns and depth, and the share of the best peer's speed to reach.
const SHAPES: [(&str, &str, f64); 3] = [
    ("1024", "1024,1024,1024", 0.97),
    ("2048", "2048,2048,2048", 0.97),
    ("1024x8x768", "1024,8,768", 1.0),
];
/// Programs take turns so often, so that a slow minute of the machine meets all of them.
const ROUNDS: usize = 3;
/// Samples of a shape in each round.
const SAMPLES: usize = 5;
/// The share of the peak that square products should reach.
const PEAK_SHARE: f64 = 0.85;

/// Speeds in GFLOP/s by program and shape (`M N K`).
type Speeds = BTreeMap<(String, String), Vec<f64>>;

/// Measures everything; one row a shape and comparison.
pub(crate) fn rows() -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for threads in [1, 2] {
        let clock = if threads == 1 { "processor" } else { "wall" };
        let mut speeds = Speeds::new();
        for _ in 0..ROUNDS {
            for (program, needed) in [
                (ours(), true),
                (rust_peers(), false),
                (python_peers(), false),
            ] {
                run(program, threads, needed, &mut speeds)?;
            }
        }
        for (name, shape, target) in SHAPES {
            let key = shape.replace(',', " ");
            let found: BTreeMap<&str, f64> = speeds
                .iter()
                .filter(|((_, shape), _)| *shape == key)
                .map(|((peer, _), speeds)| (peer.as_str(), median(speeds)))
                .collect();
            let ours = found.get("ours").copied().context("no sample of ours")?;
            // MKL is shown, and is not one of the peers the target names.
            let best = found
                .iter()
                .filter(|(peer, _)| !["ours", "packed"].contains(peer) && !peer.starts_with("MKL"))
                .max_by(|a, b| a.1.total_cmp(b.1));
            rows.push(json!({
                "metric": format!("gemm/{name}/{threads}"),
                "ours": ours,
                "peer": best.map(|best| best.1),
                "peer_name": best.map(|best| format!("best of all: {}", best.0)),
                "peer_version": found,
                "ratio": best.map(|best| ours / best.1),
                "unit": "GFLOP/s",
                "clock": clock,
                "target": target,
            }));
            let peak = speeds.get(&("peak".to_owned(), "1 1 1".to_owned()));
            if let (Some(peak), true) = (peak, target < 1.0) {
                let peak = median(peak);
                rows.push(json!({
                    "metric": format!("gemm_peak/{name}/{threads}"),
                    "ours": ours,
                    "peer": peak,
                    "peer_name": "fused multiply-add peak",
                    "peer_version": "measured in the same run",
                    "ratio": ours / peak,
                    "unit": "GFLOP/s",
                    "clock": clock,
                    "target": PEAK_SHARE,
                }));
            }
        }
    }
    Ok(rows)
}

fn ours() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--release", "--quiet", "-p", "assay-kernel"]);
    command.args(["--example", "gemm", "--"]);
    command
}

fn rust_peers() -> Command {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--release", "--quiet", "--manifest-path"]);
    command.args(["bench/gemm-peers/Cargo.toml", "--target-dir"]);
    command.arg(Path::new(&target).join("gemm-peers")).arg("--");
    command
}

fn python_peers() -> Command {
    let mut command = Command::new("python3");
    command.arg("bench/gemm_peers.py");
    command
}

/// Runs a program and adds what it measured.
fn run(mut program: Command, threads: usize, needed: bool, speeds: &mut Speeds) -> Result<()> {
    program
        .args([threads.to_string(), SAMPLES.to_string()])
        .args(SHAPES.map(|(_, shape, _)| shape))
        .stdout(Stdio::piped());
    let output = program
        .spawn()
        .and_then(std::process::Child::wait_with_output);
    let text = match output {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)?,
        _ if needed => bail!("{program:?} did not finish"),
        _ => {
            println!("not run: {program:?}; bench/setup_peers.sh installs the Python peers");
            return Ok(());
        }
    };
    for line in text.lines() {
        // `name m n k wall cpu`; a name may hold spaces.
        let mut words: Vec<&str> = line.rsplitn(6, ' ').collect();
        words.reverse();
        let [name, m, n, k, wall, busy] = words[..] else {
            bail!("{program:?} printed {line:?}");
        };
        // One thread is judged by its processor time, which other work on the machine does not
        // lengthen by queueing.
        let seconds = if threads == 1 { busy } else { wall };
        let numbers: Vec<f64> = [m, n, k, seconds]
            .into_iter()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{program:?} printed {line:?}"))?;
        let speed = 2.0 * numbers[..3].iter().product::<f64>() / numbers[3] / 1e9;
        let shape = format!("{m} {n} {k}");
        speeds
            .entry((name.to_owned(), shape))
            .or_default()
            .push(speed);
    }
    Ok(())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
