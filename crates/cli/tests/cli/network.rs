//! Commands against a network of separate processes: four validators and two storage nodes.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::assay;
use assay_node::{
    config::NodeConfig,
    devnet::{Plan, lay_out},
};

/// Node processes; killed when the test ends.
struct Nodes(Vec<(String, Child)>);

impl Drop for Nodes {
    fn drop(&mut self) {
        for (_, node) in &mut self.0 {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

impl Nodes {
    fn start(dir: &Path) -> Self {
        let homes = fs::read_dir(dir.join("nodes")).unwrap();
        let mut nodes = Self(Vec::new());
        for home in homes {
            let name = home.unwrap().file_name().into_string().unwrap();
            let child = spawn(dir, &name);
            nodes.0.push((name, child));
        }
        nodes
    }

    /// SIGKILL, and a fresh process in the same directory.
    fn kill_and_restart(&mut self, dir: &Path, name: &str) {
        let (_, child) = self.0.iter_mut().find(|(of, _)| of == name).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        *child = spawn(dir, name);
    }
}

fn spawn(dir: &Path, name: &str) -> Child {
    let home = dir.join("nodes").join(name);
    let log = fs::File::create(home.join("log")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["node", "--json", "--config"])
        .arg(home.join("node.toml"))
        .env("ASSAY_LOG", "warn")
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Where the first validator serves its API.
fn api(dir: &Path) -> String {
    let config = NodeConfig::load(&dir.join("nodes/validator-0/node.toml")).unwrap();
    format!("http://{}", config.http.unwrap())
}

fn height(dir: &Path) -> u64 {
    let run = assay(dir, &["network", "--json"]);
    if run.code == 0 {
        run.json()["head"]["height"].as_u64().unwrap()
    } else {
        0
    }
}

fn wait_for_height(dir: &Path, wanted: u64) {
    let began = Instant::now();
    while height(dir) < wanted {
        let logs = || {
            let homes = fs::read_dir(dir.join("nodes")).unwrap();
            let log = homes.map(|h| fs::read_to_string(h.unwrap().path().join("log")).unwrap());
            log.collect::<Vec<_>>().join("\n")
        };
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "no blocks: {}",
            logs()
        );
        sleep(Duration::from_millis(200));
    }
}

#[test]
fn accounts_files_and_evidence_work_across_processes_and_kills() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let plan = Plan {
        storage: 2,
        providers: 0,
        auditors: 0,
        http: Some(([127, 0, 0, 1], 0).into()),
        ..Plan::default()
    };
    lay_out(dir, &plan).unwrap();

    let nobody = assay(dir, &["network", "--json"]);
    assert_eq!(nobody.code, 4, "{}", nobody.out);
    assert!(
        nobody.json()["hint"]
            .as_str()
            .unwrap()
            .contains("assay devnet")
    );

    let mut nodes = Nodes::start(dir);
    wait_for_height(dir, 2);

    // Money, verified before it is printed.
    let before = assay(dir, &["account", "show", "--json"]).ok();
    let purse = before["balance"].as_u64().unwrap();
    let other = temp.path().join("other");
    let friend = assay(&other, &["keys", "new", "--json"]).ok()["account"].clone();
    let friend = friend.as_str().unwrap();
    let paid = assay(dir, &["account", "transfer", friend, "12.5", "--json"]).ok();
    let fee = paid["fee"].as_u64().unwrap();
    assert_eq!(paid["balance"].as_u64().unwrap(), purse - fee - 12_500_000);
    let shown = assay(dir, &["account", "show", friend, "--json"]).ok();
    assert_eq!(shown["balance"], 12_500_000);
    let why = assay(dir, &["why", paid["tx"].as_str().unwrap(), "--json"]).ok();
    assert_eq!(
        (&why["applied"], &why["height"]),
        (&true.into(), &paid["height"])
    );

    let broke = assay(dir, &["account", "transfer", friend, "99999999", "--json"]);
    assert_eq!(broke.code, 1);
    assert!(
        broke.json()["error"]
            .as_str()
            .unwrap()
            .contains("get more or spend less")
    );

    // A file outlives a killed storage node and a killed validator.
    let source = dir.join("rows.jsonl");
    let rows = "a row of somebody's data\n".repeat(300_000);
    fs::write(&source, &rows).unwrap();
    let put = assay(dir, &["vault", "put", source.to_str().unwrap(), "--json"]).ok();
    let file = put["file"].as_str().unwrap();
    assert_eq!(put["placement"].as_array().unwrap().len(), 2);
    nodes.kill_and_restart(dir, "storage-0");
    nodes.kill_and_restart(dir, "validator-3");
    let copy = dir.join("copy.jsonl");
    let got = assay(
        dir,
        &[
            "vault",
            "get",
            file,
            "--out",
            copy.to_str().unwrap(),
            "--json",
        ],
    )
    .ok();
    assert_eq!(got["length"], rows.len());
    assert!(fs::read_to_string(&copy).unwrap() == rows);
    let listed = assay(dir, &["vault", "ls", "--json"]).ok();
    assert_eq!(listed["files"][0]["name"], "rows.jsonl");

    // A directory comes back as one.
    let model = dir.join("model/parts");
    fs::create_dir_all(&model).unwrap();
    fs::write(model.join("a.bin"), [1, 2, 3]).unwrap();
    fs::write(dir.join("model/config.json"), "{}").unwrap();
    let folder = dir.join("model");
    let put = assay(dir, &["vault", "put", folder.to_str().unwrap(), "--json"]).ok();
    let back = dir.join("back");
    let file = put["file"].as_str().unwrap();
    assay(
        dir,
        &[
            "vault",
            "get",
            file,
            "--out",
            back.to_str().unwrap(),
            "--json",
        ],
    )
    .ok();
    assert_eq!(fs::read(back.join("parts/a.bin")).unwrap(), [1, 2, 3]);

    // Others cannot read it, and say so.
    fs::copy(dir.join("genesis.json"), other.join("genesis.json")).unwrap();
    let url = api(dir);
    let refused = assay(&other, &["vault", "get", file, "--node", &url, "--json"]);
    assert_eq!(refused.code, 3, "{}", refused.out);

    // Money adds up, and the restarted validator has caught up by itself.
    wait_for_height(dir, height(dir) + 5);
    let network = assay(dir, &["network", "--json"]).ok();
    assert_eq!(network["supply"]["total"], network["supply"]["genesis"]);
}

#[test]
fn a_node_of_another_network_is_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let (ours, theirs) = (temp.path().join("ours"), temp.path().join("theirs"));
    let plan = Plan {
        storage: 0,
        providers: 0,
        auditors: 0,
        http: Some(([127, 0, 0, 1], 0).into()),
        ..Plan::default()
    };
    lay_out(
        &ours,
        &Plan {
            http: None,
            ..plan.clone()
        },
    )
    .unwrap();
    lay_out(&theirs, &plan).unwrap();
    let _nodes = Nodes::start(&theirs);
    wait_for_height(&theirs, 1);
    let url = api(&theirs);
    for command in [&["network"][..], &["account", "show"]] {
        let mut arguments = command.to_vec();
        arguments.extend(["--json", "--node", &url]);
        let run = assay(&ours, &arguments);
        assert_eq!(run.code, 5, "{}", run.out);
    }
}
