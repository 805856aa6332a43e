//! Paying from one account: several commands at once, and what is refused before it costs.

use std::{fs, path::Path, thread, time::Duration};

use crate::support::{Process, Run, assay};
use assay_api::{HttpNode, HttpNodeError};

/// A network that is ready, and the account of one of its nodes.
fn network(dir: &Path) -> (Process, String) {
    let net = dir.join("net");
    let log = dir.join("devnet");
    let arguments = [
        "devnet",
        "--dir",
        net.to_str().unwrap(),
        "--http",
        "127.0.0.1:0",
    ];
    let network = Process::start(&arguments, &log);
    for _ in 0..1200 {
        let said = fs::read_to_string(log.with_extension("out")).unwrap();
        if said.contains("Ctrl-C") {
            let mut words = said.split_whitespace();
            let account = words.find(|word| word.len() == 64).unwrap();
            return (network, account.to_owned());
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{}", fs::read_to_string(log.with_extension("err")).unwrap());
}

#[test]
fn commands_on_one_account_at_once_all_succeed_and_refusals_cost_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (_network, to) = network(temp.path());
    let net = temp.path().join("net");
    let show = || assay(&net, &["account", "show", "--json"]).ok();
    let pay = |amount: &str| assay(&net, &["account", "transfer", &to, amount, "--json"]);
    let before = show();
    let balance = before["balance"].as_u64().unwrap();

    // Five at once: each takes a place of its own, and no payment is made twice.
    let runs: Vec<Run> = thread::scope(|scope| {
        let pay = &pay;
        let started: Vec<_> = (1..=5)
            .map(|n| scope.spawn(move || pay(&n.to_string())))
            .collect();
        started.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let mut fees = 0;
    for run in &runs {
        fees += run.ok()["fee"].as_u64().unwrap();
    }
    let after = show();
    let left = after["balance"].as_u64().unwrap();
    assert_eq!(balance - left, 15_000_000 + fees);
    let nonce = |account: &serde_json::Value| account["nonce"].as_u64().unwrap();
    assert_eq!(nonce(&after), nonce(&before) + 5);

    // Five that are all alike are five payments too, and not one that each takes for its own.
    let alike: Vec<Run> = thread::scope(|scope| {
        let started: Vec<_> = (0..5).map(|_| scope.spawn(|| pay("2"))).collect();
        started.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let paid: std::collections::BTreeSet<_> = alike
        .iter()
        .map(|run| run.ok()["tx"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paid.len(), 5);
    let fees: u64 = alike
        .iter()
        .map(|run| run.ok()["fee"].as_u64().unwrap())
        .sum();
    let after = show();
    assert_eq!(left - after["balance"].as_u64().unwrap(), 10_000_000 + fees);
    assert_eq!(nonce(&after), nonce(&before) + 10);
    let left = after["balance"].as_u64().unwrap();

    // What can have no effect costs nothing.
    let nobody = "f".repeat(64);
    for (to, amount) in [(&to, "0"), (&nobody, "1")] {
        let refused = assay(&net, &["account", "transfer", to, amount, "--json"]);
        assert_ne!(refused.code, 0);
    }
    assert_eq!(show(), after, "nothing was charged");

    // More than there is; all there is, so that nothing is left for the fee; more than fits.
    let all = format!("{}.{:06}", left / 1_000_000, left % 1_000_000);
    for amount in ["99999999", &all, "18446744073709.551615"] {
        let refused = pay(amount);
        assert_eq!(refused.code, 1, "{amount}: {}", refused.out);
        assert!(
            refused.out.contains("nothing was sent or charged"),
            "{}",
            refused.out
        );
        assert!(refused.out.contains("fee"), "{}", refused.out);
    }
    assert_eq!(show(), after, "nothing was charged");

    // Filters that name nothing are mistakes, and not empty lists.
    for path in [
        "/v1/orders?phase=nonsense",
        "/v1/orders?fase=posted",
        "/v1/files?owner=me",
    ] {
        let config = assay_node::config::NodeConfig::load(&net.join("nodes/validator-0/node.toml"));
        let base = format!("http://{}", config.unwrap().http.unwrap());
        let node = HttpNode::new(&base).unwrap();
        let answer = node.get::<serde_json::Value>(path);
        let Err(HttpNodeError::Refused { status: 400, body }) = answer else {
            panic!("{path}: {answer:?}");
        };
        assert!(!body.hint.is_empty(), "{path}: {body:?}");
    }
}

#[test]
fn a_role_is_given_up_by_who_has_it() {
    let temp = tempfile::tempdir().unwrap();
    let (_network, _) = network(temp.path());
    let net = temp.path().join("net");
    let own = temp.path().join("own");
    fs::create_dir(&own).unwrap();
    fs::copy(net.join("genesis.json"), own.join("genesis.json")).unwrap();
    fs::copy(net.join("nodes/provider-1/key.json"), own.join("key.json")).unwrap();
    let settings = fs::read_to_string(net.join("nodes/validator-0/node.toml")).unwrap();
    let http = settings.split("http = \"").nth(1).unwrap();
    let node = format!("http://{}", http.split('"').next().unwrap());
    let leave = |role: &str| assay(&own, &["account", "leave", role, "--node", &node, "--json"]);

    for (role, code, says) in [
        ("auditor", 3, "is not registered as auditor"),
        ("validator", 2, "provider, auditor and storage"),
    ] {
        let refused = leave(role);
        assert_eq!(refused.code, code, "{}", refused.out);
        assert!(refused.out.contains(says), "{}", refused.out);
    }
    let left = leave("provider").ok();
    assert_eq!(
        (&left["role"], &left["locked"]),
        (&"provider".into(), &0.into())
    );
}
