//! Files of others: asked for, granted, read, and no longer.

use std::{
    fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::{Process, Run, assay};
use assay_node::{
    config::NodeConfig,
    devnet::{Plan, lay_out},
};
use serde_json::Value;

/// A user of a network.
struct User {
    home: PathBuf,
    node: String,
}

impl User {
    fn run(&self, arguments: &[&str]) -> Run {
        let arguments = [arguments, &["--node", &self.node, "--json"]].concat();
        assay(&self.home, &arguments)
    }

    fn grant(&self, arguments: &[&str]) -> Run {
        self.run(&[&["vault", "grant"], arguments].concat())
    }

    /// State and other party of every grant on one side of the list.
    fn listed(&self, side: &str, other: &str) -> Vec<(String, String)> {
        let listing = self.grant(&["ls"]).ok();
        let text = |grant: &Value, field: &str| grant[field].as_str().unwrap().to_owned();
        let grants = listing[side].as_array().unwrap().iter();
        grants
            .map(|grant| (text(grant, "state"), text(grant, other)))
            .collect()
    }
}

/// The owner of a devnet, and somebody else with a little money.
fn network(dir: &Path) -> (Process, User, User, String) {
    let home = dir.join("net");
    let plan = Plan {
        providers: 0,
        auditors: 0,
        http: Some(([127, 0, 0, 1], 0).into()),
        ..Plan::default()
    };
    lay_out(&home, &plan).unwrap();
    let arguments = ["devnet", "--dir", home.to_str().unwrap(), "--json"];
    let devnet = Process::start(&arguments, &dir.join("log"));
    let began = Instant::now();
    while assay(&home, &["network", "--json"]).code != 0 {
        let log = || fs::read_to_string(dir.join("log.err")).unwrap();
        assert!(began.elapsed() < Duration::from_secs(120), "{}", log());
        sleep(Duration::from_millis(200));
    }
    let config = NodeConfig::load(&home.join("nodes/validator-0/node.toml")).unwrap();
    let node = format!("http://{}", config.http.unwrap());
    let owner = User {
        home,
        node: node.clone(),
    };
    let home = dir.join("other");
    let made = assay(&home, &["keys", "new", "--json"]).ok();
    fs::copy(owner.home.join("genesis.json"), home.join("genesis.json")).unwrap();
    let account = made["account"].as_str().unwrap().to_owned();
    owner.run(&["account", "transfer", &account, "10"]).ok();
    (devnet, owner, User { home, node }, account)
}

#[test]
fn a_file_is_asked_for_granted_read_and_revoked() {
    let temp = tempfile::tempdir().unwrap();
    let (_devnet, owner, reader, reader_account) = network(temp.path());
    let path = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("rows.csv"), "id,age\n1,40\n").unwrap();
    let put = owner.run(&["vault", "put", &path("rows.csv")]).ok();
    let file = put["file"].as_str().unwrap();
    let owner_account = owner.run(&["account", "show"]).ok();
    let owner_account = owner_account["account"].as_str().unwrap();
    let get = |out: &str| {
        let out = path(out);
        reader.run(&[
            "vault",
            "get",
            file,
            "--owner",
            owner_account,
            "--out",
            &out,
        ])
    };
    let said = |run: Run, word: &str| {
        assert_ne!(run.code, 0, "{}", run.out);
        assert!(run.out.contains(word), "{word}: {} {}", run.out, run.err);
    };

    // Nothing is read, or charged, without a grant.
    let before = reader.run(&["account", "show"]).ok();
    said(get("early"), "vault grant ask");
    said(
        reader.grant(&["ask", file, "--owner", &reader_account]),
        "your own",
    );
    let nothing = "0".repeat(64);
    let unknown = ["ask", &nothing, "--owner", owner_account];
    said(reader.grant(&unknown), "no file");
    let long = "x".repeat(200);
    let wordy = ["ask", file, "--owner", owner_account, "--purpose", &long];
    said(reader.grant(&wordy), "fewer words");
    said(owner.grant(&["approve", file, &reader_account]), "no grant");
    assert_eq!(reader.run(&["account", "show"]).ok(), before);

    let ask = [
        "ask",
        file,
        "--owner",
        owner_account,
        "--purpose",
        "a study",
    ];
    let asked = reader.grant(&ask).ok();
    assert_eq!(asked["grant"]["state"], "asked");
    let before = reader.run(&["account", "show"]).ok();
    said(reader.grant(&ask), "asked for already");
    assert_eq!(reader.run(&["account", "show"]).ok(), before);
    said(get("early"), "wait for the owner");
    let one = |state: &str, other: &str| vec![(state.to_owned(), other.to_owned())];
    assert_eq!(
        owner.listed("given", "grantee"),
        one("asked", &reader_account)
    );
    assert_eq!(reader.listed("held", "owner"), one("asked", owner_account));
    said(
        owner.grant(&["revoke", file, &reader_account]),
        "must be approved",
    );

    let approved = owner.grant(&["approve", file, &reader_account]).ok();
    assert_eq!(approved["grant"]["state"], "approved");
    said(reader.grant(&ask), "approved already");
    get("rows").ok();
    let rows = fs::read_to_string(path("rows")).unwrap();
    assert_eq!(rows, "id,age\n1,40\n");

    owner.grant(&["revoke", file, &reader_account]).ok();
    said(get("late"), "revoked");
    assert!(!Path::new(&path("late")).exists() && !Path::new(&path("early")).exists());

    // Asked again, and turned down.
    reader.grant(&ask).ok();
    owner.grant(&["reject", file, &reader_account]).ok();
    said(get("late"), "rejected");
    // Asked for a moment, which passes.
    let brief = [&ask[..], &["--for", "1s"]].concat();
    let asked = reader.grant(&brief);
    if asked.code == 0 {
        sleep(Duration::from_secs(3));
        said(owner.grant(&["approve", file, &reader_account]), "expired");
    } else {
        // The moment may be over before the request comes into a block.
        said(asked, "must last beyond");
    }
    let most = ["--for", "31d"];
    said(reader.grant(&[&ask[..], &most].concat()), "at most");
}
