//! What a trial takes of the disk: the model's files are shared among the network's nodes.
//!
//! `ASSAY_TRY_BYTES` says how large the generated model is, in bytes; 4 GB takes minutes. `ASSAY_LARGE_DIR` says
//! where everything lies meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

#[path = "../../../node/tests/large/model.rs"]
#[allow(dead_code, reason = "the other test uses the rest")]
mod model;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use assay_job::{Bytes, Length};
use model::{LLAMA_3_8B, SMALL, Shape};

/// How many times the model everything may take together: its own folder, the pieces on storage nodes, what
/// those who compute read, and as much again to spare.
const TIMES: u64 = 4;
/// Disk of everything but the model: chains, journals, settings.
const BESIDE: u64 = 96 << 20;
/// Time between two looks at the disk.
const LOOK: Duration = Duration::from_millis(100);

/// A model of at least so many bytes.
fn shape(bytes: u64) -> Shape {
    let base = match bytes {
        0..1_000_000_000 => Shape {
            hidden: 512,
            vocab: 32_768,
            ..SMALL
        },
        _ => Shape {
            vocab: 16_384,
            ..LLAMA_3_8B
        },
    };
    let of = |layers| Shape { layers, ..base };
    (1..).map(of).find(|shape| shape.bytes() >= bytes).unwrap()
}

fn job(deadline: Length) -> String {
    format!(
        r#"
kind = "finetune"
name = "large"
[model]
path = "model"
precision = "nf4"
[data]
train = "train.jsonl"
completion_only = true
sequence_length = 16
truncation = true
[adapter]
r = 8
lora_alpha = 16
target_modules = ["q_proj", "v_proj"]
[training]
steps = 1
batch_size = 1
learning_rate = 0.001
[audit]
segment_steps = 1
segments = 1
[deadlines]
grant = "{deadline}"
run = "{deadline}"
open = "{deadline}"
audit = "{deadline}"
attest = "{deadline}"
"#
    )
}

const RECORD: &str = r#"{"messages": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]}"#;

#[test]
fn a_trial_keeps_a_model_on_the_disk_few_times() {
    let asked = std::env::var("ASSAY_TRY_BYTES").ok();
    let asked: Option<u64> = asked.map(|text| text.parse().expect("a number of bytes"));
    let shape = shape(asked.unwrap_or(64_000_000));
    let model = shape.bytes();
    let dir = match std::env::var_os("ASSAY_LARGE_DIR") {
        Some(parent) => tempfile::tempdir_in(parent),
        None => tempfile::tempdir(),
    };
    let dir = dir.unwrap();
    let dir = dir.path();
    shape.write(&dir.join("model"));
    fs::write(dir.join("train.jsonl"), RECORD).unwrap();
    let hours: Length = "6h".parse().unwrap();
    fs::write(dir.join("job.toml"), job(hours)).unwrap();
    fs::create_dir(dir.join("tmp")).unwrap();
    let mut trial = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["try", "job.toml", "--json", "--dir", "trial"])
        .env_remove("ASSAY_NODE")
        .env_remove("ASSAY_DIR")
        .env("TMPDIR", dir.join("tmp"))
        .current_dir(dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    let status = loop {
        most = most.max(disk_of(dir, &mut BTreeSet::new()));
        if let Some(status) = trial.try_wait().unwrap() {
            break status;
        }
        sleep(LOOK);
    };
    assert!(status.success(), "the trial failed: {status}");
    println!(
        "a trial of a model of {} took {} of disk at the most, {:.2} times as much",
        Bytes(model),
        Bytes(most),
        most as f64 / model as f64
    );
    assert!(most > 2 * model, "{} is too little to be true", Bytes(most));
    assert!(most <= TIMES * model + BESIDE, "{}", Bytes(most));
}

/// Bytes that everything in a folder takes on the disk, a file of several names once.
fn disk_of(dir: &Path, seen: &mut BTreeSet<(u64, u64)>) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        // What is renamed or removed meanwhile counts as gone.
        let Ok(found) = entry.metadata() else {
            continue;
        };
        bytes += match found.is_dir() {
            true => disk_of(&entry.path(), seen),
            false if seen.insert((found.dev(), found.ino())) => 512 * found.blocks(),
            false => 0,
        };
    }
    bytes
}
