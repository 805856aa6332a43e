//! Orders on networks whose processes are killed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "cli/support/mod.rs"]
mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use assay_node::{
    devnet::{Plan, blob_dirs, chain_dir, lay_out},
    offline::{self, Blobs, Ledger},
};
use serde_json::Value;
use support::{Process, assay};

/// Each test waits for deadlines most of the time, but starts eleven processes: so many run at once.
static TURNS: (Mutex<u8>, Condvar) = (Mutex::new(2), Condvar::new());

/// The right to run, given back when it is dropped.
struct Turn;

impl Turn {
    fn take() -> Turn {
        let free = TURNS.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = TURNS.1.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TURNS.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        TURNS.1.notify_one();
    }
}

/// A network of eleven processes on the loopback interface.
struct Net {
    dir: PathBuf,
    nodes: std::collections::BTreeMap<String, Process>,
}

impl Net {
    fn start(dir: &Path) -> Self {
        Self::with_storage(dir, Plan::default().storage)
    }

    fn with_storage(dir: &Path, storage: u8) -> Self {
        let plan = Plan {
            http: Some(([127, 0, 0, 1], 0).into()),
            storage,
            ..Plan::default()
        };
        lay_out(dir, &plan).unwrap();
        let mut net = Self {
            dir: dir.to_owned(),
            nodes: Default::default(),
        };
        for home in fs::read_dir(dir.join("nodes")).unwrap() {
            net.spawn(&home.unwrap().file_name().into_string().unwrap());
        }
        net
    }

    fn spawn(&mut self, name: &str) {
        let home = self.dir.join("nodes").join(name);
        let config = home.join("node.toml");
        let node = Process::start(
            &["node", "--json", "--config", config.to_str().unwrap()],
            &home.join("log"),
        );
        self.nodes.insert(name.to_owned(), node);
    }

    fn kill(&mut self, name: &str) {
        self.nodes.remove(name).unwrap().kill();
    }

    /// The name of the node with this account.
    fn named(&self, account: &str) -> String {
        let homes = fs::read_dir(self.dir.join("nodes")).unwrap();
        let mut names = homes.map(|home| home.unwrap().file_name().into_string().unwrap());
        let key = |name: &String| self.dir.join("nodes").join(name).join("key.json");
        names
            .find(|name| fs::read_to_string(key(name)).unwrap().contains(account))
            .unwrap()
    }

    /// The only order, once there is one and `wanted` holds.
    fn await_order(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let listed = assay(&self.dir, &["job", "list", "--json"]);
            if listed.code == 0
                && let Some(id) = listed.json()["orders"][0]["order"].as_str()
            {
                let order = assay(&self.dir, &["job", "show", id, "--json"]);
                if order.code == 0 && wanted(&order.json()) {
                    return order.json();
                }
            }
            assert!(
                began.elapsed() < Duration::from_secs(400),
                "never {what}: {}",
                listed.out
            );
            sleep(Duration::from_millis(100));
        }
    }

    /// What a node says at this path of its API.
    fn get(&self, path: &str) -> Option<Value> {
        let node = self.dir.join("nodes/validator-0/node.toml");
        let config = assay_node::config::NodeConfig::load(&node).unwrap();
        let url = format!("http://{}", config.http.unwrap());
        let node = assay_api::HttpNode::new(&url).unwrap();
        node.get(path).ok()
    }

    /// Steps that the provider of the order reports.
    fn steps_done(&self, order: &str) -> u64 {
        let found = self.get(&format!("/v1/orders/{order}/progress"));
        found.and_then(|found| find_step(&found)).unwrap_or(0)
    }

    /// The storage nodes on which the requester put the order's inputs.
    fn holders(&self, order: &Value) -> BTreeSet<String> {
        let mut holders = BTreeSet::new();
        for input in order["terms"]["inputs"].as_array().unwrap() {
            let file = input["file"].as_str().unwrap();
            let found = self.get(&format!("/v1/files/{file}")).unwrap();
            let mut records = found["records"].as_array().unwrap().iter();
            let record = records.find(|of| of["owner"] == order["requester"]);
            let nodes = record.unwrap()["placement"].as_array().unwrap();
            holders.extend(nodes.iter().map(|node| self.named(node.as_str().unwrap())));
        }
        holders
    }
}

fn find_step(value: &Value) -> Option<u64> {
    match value {
        Value::Object(fields) => fields
            .get("step")
            .and_then(Value::as_u64)
            .or_else(|| fields.values().find_map(find_step)),
        _ => None,
    }
}

/// The example fine-tuning, long enough to be killed in, and with its own run deadline.
fn long_job(dir: &Path, run_deadline: u32) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let examples = examples.canonicalize().unwrap();
    let text = fs::read_to_string(examples.join("finetune.toml")).unwrap();
    let path = |name: &str| format!("\"{}\"", examples.join(name).display());
    let text = text
        .replace("\"glassllm\"", &path("glassllm"))
        .replace("\"dialogue/train.jsonl\"", &path("dialogue/train.jsonl"))
        .replace(
            "\"dialogue/heldout.jsonl\"",
            &path("dialogue/heldout.jsonl"),
        )
        .replace("steps = 160", "steps = 480")
        .replace("segment_steps = 10", "segment_steps = 20");
    let file = dir.join("job.toml");
    fs::write(
        &file,
        format!("{text}\n[deadlines]\nrun = {run_deadline}\n"),
    )
    .unwrap();
    file
}

/// The provider of the run that stands.
fn provider(order: &Value) -> String {
    let mut runs = order["runs"].as_array().unwrap().iter();
    let standing = runs.find(|run| run["failed"].is_null());
    let standing = standing.unwrap_or_else(|| panic!("no run stands: {order}"));
    standing["provider"].as_str().unwrap().to_owned()
}

/// The runs that came to nothing.
fn failed(order: &Value) -> Vec<&Value> {
    let runs = order["runs"].as_array().unwrap().iter();
    runs.filter(|run| !run["failed"].is_null()).collect()
}

fn money_adds_up(dir: &Path) {
    let network = assay(dir, &["network", "--json"]).ok();
    let supply = &network["supply"];
    assert_eq!(supply["total"], supply["genesis"], "{network}");
}

/// Posts the job and, once its provider is in the middle of it, kills that provider together with
/// a validator and a storage node; all but the provider come back at once.
fn kill_mid_training(net: &mut Net, run_deadline: u32) -> (Process, String, String) {
    let job = long_job(&net.dir, run_deadline);
    let out = net.dir.join("out");
    let dir = net.dir.to_str().unwrap().to_owned();
    let arguments = [
        "job",
        "post",
        job.to_str().unwrap(),
        "--json",
        "--dir",
        &dir,
        "--out",
        out.to_str().unwrap(),
    ];
    let post = Process::start(&arguments, &net.dir.join("post"));
    let order = net.await_order("running", |order| order["phase"] == "running");
    let id = order["id"].as_str().unwrap().to_owned();
    let began = Instant::now();
    while net.steps_done(&id) < 60 {
        assert!(
            began.elapsed() < Duration::from_secs(90),
            "the provider never got to step 60"
        );
        sleep(Duration::from_millis(50));
    }
    let name = net.named(&provider(&order));
    for victim in [name.as_str(), "validator-3", "storage-0"] {
        net.kill(victim);
    }
    let order = net.await_order("seen after the kill", |_| true);
    assert_eq!(
        order["phase"], "running",
        "the run was over before it could be killed"
    );
    sleep(Duration::from_secs(1));
    net.spawn("validator-3");
    net.spawn("storage-0");
    (post, id, name)
}

#[test]
fn a_killed_provider_that_comes_back_resumes_and_is_paid() {
    let _turn = Turn::take();
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::start(temp.path());
    let (mut post, _, name) = kill_mid_training(&mut net, 1_200);
    net.spawn(&name);
    let order = net.await_order("settled", |order| order["phase"] == "settled");
    assert_eq!(net.named(&provider(&order)), name);
    assert_eq!(failed(&order), Vec::<&Value>::new());
    assert!(post.0.wait().unwrap().success());
    assert!(temp.path().join("out/adapter_model.safetensors").exists());
    money_adds_up(temp.path());
}

#[test]
fn a_killed_provider_that_stays_away_is_charged_and_replaced() {
    let _turn = Turn::take();
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::start(temp.path());
    let (mut post, _, name) = kill_mid_training(&mut net, 100);
    let order = net.await_order("settled", |order| order["phase"] == "settled");
    assert_ne!(net.named(&provider(&order)), name);
    let run = failed(&order)[0];
    assert_eq!(net.named(run["provider"].as_str().unwrap()), name);
    assert_eq!(run["failed"]["reason"], "late");
    assert!(run["failed"]["slashed"].as_u64().unwrap() > 0);
    assert!(post.0.wait().unwrap().success());
    money_adds_up(temp.path());
}

/// The provider's work is audited and paid although no auditor is left: validators do it.
#[test]
fn when_every_auditor_goes_dark_the_validators_audit() {
    let _turn = Turn::take();
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::start(temp.path());
    let job = long_job(&net.dir, 6_000);
    let text = fs::read_to_string(&job).unwrap();
    fs::write(&job, format!("{text}assign = 10\n")).unwrap();
    let (dir, out) = (net.dir.to_str().unwrap().to_owned(), net.dir.join("out"));
    let (job, out) = (job.to_str().unwrap(), out.to_str().unwrap());
    let post = ["job", "post", job, "--json", "--dir", &dir, "--out", out];
    let mut post = Process::start(&post, &net.dir.join("post"));
    net.await_order("running", |order| order["phase"] == "running");
    let names: Vec<String> = net.nodes.keys().cloned().collect();
    let auditors = names.iter().filter(|name| name.starts_with("auditor"));
    let auditors: Vec<&String> = auditors.collect();
    for name in &auditors {
        net.kill(name);
    }
    let order = net.await_order("settled", |order| order["phase"] == "settled");
    assert_eq!(failed(&order), Vec::<&Value>::new());
    let rounds = order["runs"][0]["rounds"].as_array().unwrap();
    let seats = rounds.last().unwrap()["seats"].as_array().unwrap();
    // One more than can be liars among four.
    assert_eq!(seats.len(), 2, "{order}");
    for seat in seats {
        assert_eq!(seat["role"], "validator", "{order}");
        let name = net.named(seat["auditor"].as_str().unwrap());
        assert!(name.starts_with("validator"), "{name}");
    }
    assert!(post.0.wait().unwrap().success());
    assert!(Path::new(out).join("adapter_model.safetensors").exists());
    money_adds_up(temp.path());

    // They did not answer, so they are asked no more: until one that is back has offered again.
    let suspended = |net: &Net| {
        let network = net.get("/v1/network").unwrap();
        let members = network["members"].as_array().unwrap().iter();
        let suspended = members.filter(|of| of["role"] == "auditor" && of["suspended"] == true);
        suspended.count()
    };
    assert_eq!(suspended(&net), auditors.len());
    net.spawn(auditors[0]);
    let began = Instant::now();
    while suspended(&net) == auditors.len() {
        assert!(
            began.elapsed() < Duration::from_secs(90),
            "it never offered again"
        );
        sleep(Duration::from_millis(200));
    }
}

/// The storage nodes that hold the inputs go once the provider has read them, before an auditor or a
/// judge has: it has copies on others.
#[test]
fn a_provider_is_paid_though_the_requesters_storage_is_gone() {
    let _turn = Turn::take();
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::with_storage(temp.path(), 6);
    let job = long_job(&net.dir, 6_000);
    let out = net.dir.join("out");
    let dir = net.dir.to_str().unwrap().to_owned();
    let (job, out) = (job.to_str().unwrap(), out.to_str().unwrap());
    let post = ["job", "post", job, "--json", "--dir", &dir, "--out", out];
    let mut post = Process::start(&post, &net.dir.join("post"));
    let order = net.await_order("running", |order| order["phase"] == "running");
    let id = order["id"].as_str().unwrap().to_owned();
    let began = Instant::now();
    while net.steps_done(&id) < 20 {
        assert!(began.elapsed() < Duration::from_secs(90), "it never ran");
        sleep(Duration::from_millis(50));
    }
    let holders = net.holders(&order);
    assert!(holders.len() >= 2 && holders.len() <= 4, "{holders:?}");
    for holder in &holders {
        net.kill(holder);
    }
    let order = net.await_order("seen after the kill", |_| true);
    assert_eq!(order["phase"], "running", "too late to be a test");
    let order = net.await_order("settled", |order| order["phase"] == "settled");
    assert_eq!(failed(&order), Vec::<&Value>::new());
    // Its held-out data, which nobody else has, may lie on the nodes that are gone: then it cannot be told
    // how good the result is. Whether it can is not the provider's loss.
    post.0.wait().unwrap();
    money_adds_up(temp.path());
}

#[test]
fn a_killed_devnet_goes_on_from_its_last_checkpoint() {
    let _turn = Turn::take();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_owned();
    let home = dir.to_str().unwrap();
    let arguments = ["devnet", "--dir", home, "--http", "127.0.0.1:0", "--json"];
    let mut devnet = Process::start(&arguments, &dir.join("devnet"));
    let net = Net {
        dir: dir.clone(),
        nodes: Default::default(),
    };
    let began = Instant::now();
    while assay(&dir, &["network", "--json"]).code != 0 {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the devnet never answered"
        );
        sleep(Duration::from_millis(200));
    }
    let job = long_job(&dir, 1_200);
    let post = || {
        let job = job.to_str().unwrap();
        assay(&dir, &["job", "post", job, "--no-wait", "--json"])
    };
    let run = post();
    let posted = run.ok();
    let id = posted["job_id"].as_str().unwrap();
    assert!(
        run.err.contains(id),
        "named before it can be lost: {}",
        run.err
    );
    // Whoever posted it and was cut off does not pay twice for the same work.
    let twice = post();
    assert_eq!(twice.code, 2, "{}", twice.out);
    assert!(
        twice.out.contains(id) && twice.out.contains("--again"),
        "{}",
        twice.out
    );
    while net.steps_done(id) < 60 {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "the provider never got to step 60"
        );
        sleep(Duration::from_millis(50));
    }
    devnet.kill();
    let devnet = Process::start(&arguments, &dir.join("devnet"));
    let order = net.await_order("settled", |order| order["phase"] == "settled");
    assert_eq!(failed(&order), Vec::<&Value>::new());
    let out = dir.join("out");
    assay(
        &dir,
        &[
            "job",
            "result",
            id,
            "--out",
            out.to_str().unwrap(),
            "--json",
        ],
    )
    .ok();
    drop(devnet);

    // The run that was cut in two is the run that somebody gets who repeats it in one go.
    let ledger = Ledger::replay(&chain_dir(&dir), |_, _| {}).unwrap();
    let blobs = Blobs::open(&blob_dirs(&dir).unwrap()).unwrap();
    let key = assay_node::keys::load(&dir.join("requester/key.json")).unwrap();
    let order = ledger.order(id.parse().unwrap()).unwrap();
    let run = offline::rerun(&ledger, &blobs, &key, &order, |_| {}).unwrap();
    assert!(run.trace_agrees && run.result_agrees);
}
