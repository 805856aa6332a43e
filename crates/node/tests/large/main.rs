//! A model goes from its folder to a training step by way of storage nodes, and is copied nowhere
//! else.
//!
//! `ASSAY_LARGE=full` takes a folder of Llama 3 8B's shape, 16 GB, and `ASSAY_LARGE=LAYERS,VOCABULARY`
//! one with fewer layers and words; without it the folder has a few slices. `ASSAY_LARGE_DIR` says
//! where everything lies meanwhile.
// Helpers outside test functions may unwrap too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod model;

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use assay_crypto::Digest;
use assay_job::{Bytes, Limited, Local, Sizes, available_memory};
use assay_ledger::{StepIndex, Taken};
use assay_node::client::Sender;
use assay_node::devnet::{Devnet, DevnetOptions, Plan};
use assay_node::files::{fresh_key, place, sealed_length};
use assay_node::inputs::InputStore;
use assay_node::orders::Services;
use assay_node::worker::InProcess;
use assay_proof::{Handle, Start, Task, TaskInput, Work, WorkDone};
use assay_vault::upload::UploadConfig;

use model::{LLAMA_3_8B, SMALL, Shape};

/// Bytes of the disk that a node leaves free when it fetches inputs.
const KEPT_FREE: u64 = 256 << 20;
/// Most memory that everything together may take: storage node, provider and program, in this
/// process.
const MEMORY: u64 = 24 << 30;
/// Most disk: the folder, one copy on a storage node, and the provider's.
const DISK: u64 = 52_000_000_000;
/// What nodes and the test itself take beside the program.
const BESIDE: u64 = 1 << 30;
/// Disk of everything but the model: chains, settings, what a transfer writes before it is renamed.
const DISK_BESIDE: u64 = 256 << 20;

/// How long a call may take to get onto the chain.
const PATIENCE: Duration = Duration::from_secs(120);

const JOB: &str = r#"
kind = "finetune"
name = "large"
[model]
path = "model"
precision = "nf4"
[data]
train = "train.jsonl"
completion_only = true
sequence_length = 32
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
"#;

const RECORD: &str = r#"{"messages": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]}"#;

#[test]
fn a_model_is_stored_fetched_and_trained_on_without_another_copy() {
    let asked = std::env::var("ASSAY_LARGE").unwrap_or_default();
    let shape = match asked.as_str() {
        "" => SMALL,
        "full" => LLAMA_3_8B,
        other => {
            let (layers, vocab) = other.split_once(',').expect("LAYERS,VOCABULARY");
            Shape {
                layers: layers.parse().unwrap(),
                vocab: vocab.parse().unwrap(),
                ..LLAMA_3_8B
            }
        }
    };
    let dir = match std::env::var_os("ASSAY_LARGE_DIR") {
        Some(parent) => tempfile::tempdir_in(parent),
        None => tempfile::tempdir(),
    };
    let dir = dir.unwrap();
    let needed = 3 * shape.bytes() + DISK_BESIDE + KEPT_FREE;
    let free = place::room(dir.path()).unwrap();
    if free < needed {
        let (free, needed) = (Bytes(free), Bytes(needed));
        println!("large inputs: not run: {needed} of disk are needed, and {free} are free");
        return;
    }
    shape.write(&dir.path().join("model"));
    fs::write(dir.path().join("train.jsonl"), RECORD).unwrap();
    let job = assay_job::read(JOB, dir.path()).unwrap();
    let local = Local::new(&job, Digest::ZERO).unwrap();
    // Not `Local::price`, which refuses where there is too little memory.
    let model = job.model(&local.inputs).unwrap();
    let sizes = Sizes::of(&local.inputs).unwrap();
    let price = (job.kind)
        .price(&job.specification, model.as_ref(), &sizes)
        .unwrap();
    println!(
        "large inputs: {shape:?}: {}, a step takes {price}",
        Bytes(shape.bytes())
    );
    assert!(price.total() + BESIDE <= MEMORY, "{price}");
    let free = available_memory().unwrap_or(u64::MAX);
    if free < price.total() + BESIDE {
        let (free, needed) = (Bytes(free), Bytes(price.total() + BESIDE));
        println!("large inputs: not run: {needed} of memory are needed, and {free} are free");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
    let (done, disk) = runtime.block_on(through_the_vault(dir.path(), &shape, &local));
    assert_eq!(
        done.reports[0].taken,
        Taken::Valid,
        "the step gave a NaN or infinity"
    );
    let (memory, swapped) = (of_process("VmHWM:"), of_process("VmSwap:"));
    println!(
        "large inputs: one step from the vault, {} of disk, {} of memory at the most, {} swapped",
        Bytes(disk),
        Bytes(memory),
        Bytes(swapped)
    );
    assert!(
        disk <= DISK && disk <= 3 * shape.bytes() + DISK_BESIDE,
        "{}",
        Bytes(disk)
    );
    assert!(memory <= price.total() + BESIDE, "{}", Bytes(memory));
    assert_eq!(swapped, 0);
    if asked.is_empty() {
        // The folder itself gives the same bits.
        let run = assay_job::run(&local.task, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(run.state, done.state);
    }
}

/// Stores the inputs on one node, fetches them as a provider does and takes the step. Also gives the
/// disk that everything takes at the end, when it takes most.
async fn through_the_vault(dir: &Path, shape: &Shape, local: &Local) -> (WorkDone, u64) {
    let net = dir.join("net");
    // A quarter of a node is one account's, until its files are recorded.
    let quota = 5 * sealed_length(shape.bytes()) + (1 << 30);
    let plan = Plan {
        quota: Some(quota),
        validators: 1,
        storage: 1,
        providers: 1,
        auditors: 0,
        ..Plan::default()
    };
    let options = DevnetOptions {
        runner: Box::new(|_| Box::new(InProcess::new(Box::new(Limited { memory: MEMORY })))),
        on_report: Arc::new(|_, _, _| ()),
    };
    let devnet = Devnet::start(&net, &plan, options).await.unwrap();
    devnet.ready(|_| ()).await.unwrap();
    let requester = with_one_copy(devnet.requester().services(), dir);
    let provider = devnet
        .nodes()
        .find(|(name, _)| name.starts_with("provider"));
    let provider = provider.unwrap().1.services();

    let mut inputs = Vec::new();
    for input in &local.task.inputs {
        let key = fresh_key().unwrap();
        let own = Some(requester.key.encryption().public());
        let (name, handle) = (input.name.clone(), input.handle.clone());
        let content = handle.content();
        let anywhere = BTreeSet::new();
        let stored = requester.store(
            name.clone(),
            "application/octet-stream",
            (key.clone(), own),
            handle,
            (u64::MAX, &anywhere),
        );
        let file = (stored.await.unwrap(), requester.sender.account());
        let mut heights = provider.chain.heights();
        let handle = loop {
            let owned = (file.0, &[file.1][..]);
            match provider
                .fetch_input(owned, key.clone(), Some(content))
                .await
            {
                Ok(handle) => break handle,
                // Until the provider's chain has the record.
                Err(assay_proof::FetchFailure::Unavailable(_)) => heights.changed().await.unwrap(),
                Err(failure) => panic!("{failure}"),
            }
        };
        assert_fetched(&handle, &input.handle);
        inputs.push(TaskInput { name, handle });
    }
    let work = Work {
        task: Task {
            inputs,
            ..local.task.clone()
        },
        start: Start::Initial,
        from: StepIndex(0),
        to: StepIndex(1),
    };
    let done = provider
        .compute
        .run(work, Box::new(|| 0), Box::new(|_| ()))
        .await
        .unwrap();
    let disk = disk_of(dir);
    devnet.stop().await;
    (done, disk)
}

fn assert_fetched(fetched: &Handle, stored: &Handle) {
    assert_eq!(fetched, stored);
    assert_eq!(fetched.resident(), 0, "{fetched:?} is in memory");
}

/// The same services, which store one copy of each file.
fn with_one_copy(services: &Services, dir: &Path) -> Services {
    Services {
        chain: services.chain.clone(),
        sender: Sender::new(services.chain.clone(), services.key.clone(), PATIENCE),
        transport: services.transport.clone(),
        compute: services.compute.clone(),
        key: services.key.clone(),
        upload: UploadConfig {
            copies: 1,
            ..services.upload
        },
        uploads: dir.join("uploads"),
        inputs: InputStore::new(dir.join("inputs")),
        memory: services.memory,
        on_work: services.on_work.clone(),
    }
}

/// Bytes that everything in a folder takes on the disk.
fn disk_of(dir: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        // What is renamed or removed meanwhile counts as gone.
        let Ok(found) = entry.metadata() else {
            continue;
        };
        bytes += match found.is_dir() {
            true => disk_of(&entry.path()),
            false => 512 * found.blocks(),
        };
    }
    bytes
}

/// A figure of this process in bytes, of those that the kernel keeps.
fn of_process(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.unwrap().trim().trim_end_matches("kB").trim();
    kibibytes.parse::<u64>().unwrap() << 10
}
