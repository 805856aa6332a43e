//! `assay offer`: what orders a node takes part in, shown and changed while it runs.

use std::{fs, path::Path, thread, time::Duration};

use crate::support::{Process, Run, assay};
use serde_json::Value;

fn network(net: &Path, log: &Path) -> Process {
    let net = net.to_str().unwrap();
    let arguments = ["devnet", "--dir", net, "--http", "127.0.0.1:0"];
    let network = Process::start(&arguments, log);
    for _ in 0..1200 {
        let said = fs::read_to_string(log.with_extension("out")).unwrap();
        if said.contains("Ctrl-C") {
            return network;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{}", fs::read_to_string(log.with_extension("err")).unwrap());
}

/// The offer as provider.
fn provider(shown: &Run) -> Value {
    let shown = shown.ok();
    let offers = shown["offers"].as_array().unwrap();
    assert_eq!(offers.len(), 1, "{shown}");
    assert_eq!(offers[0]["role"], "provider");
    offers[0].clone()
}

#[test]
fn an_offer_is_shown_changed_suspended_and_renewed_while_its_node_runs() {
    let temp = tempfile::tempdir().unwrap();
    let net = temp.path().join("net");
    let _network = network(&net, &temp.path().join("devnet"));
    let file = net.join("nodes/provider-0/node.toml");
    let config = file.to_str().unwrap();
    let offer = |arguments: &[&str]| {
        let mut all = vec!["offer"];
        all.extend(arguments);
        all.extend(["--config", config, "--json"]);
        assay(&net, &all)
    };
    let before = provider(&offer(&["show"]));
    assert_eq!(before["state"], "open", "{before}");
    assert_eq!(before["offer"]["orders"], 4);
    assert!(before["offer"]["memory"].as_u64().unwrap() > 0);
    assert_eq!(before.get("differs_from_config"), None);

    let set = offer(&["set", "provider", "--orders", "2", "--methods", "lora,full"]).ok();
    assert_eq!(set["before"], before["offer"]);
    assert_eq!(
        (&set["offer"]["orders"], &set["renewal_fee"]),
        (&2.into(), &0.into())
    );
    let now = provider(&offer(&["show"]));
    assert_eq!(now["offer"], set["offer"]);
    assert_eq!(now["offer"]["methods"], serde_json::json!(["lora", "full"]));
    assert_eq!(now["offer"]["memory"], before["offer"]["memory"]);

    offer(&["suspend", "provider"]).ok();
    assert_eq!(provider(&offer(&["show"]))["state"], "paused");
    assert_eq!(offer(&["suspend", "provider"]).code, 2);
    // The node goes on, and leaves the ledger's offer alone.
    thread::sleep(Duration::from_secs(12));
    assert_eq!(provider(&offer(&["show"]))["state"], "paused");
    offer(&["renew", "provider", "--orders", "3"]).ok();
    let renewed = provider(&offer(&["show"]));
    assert_eq!(
        (&renewed["state"], &renewed["offer"]["orders"]),
        (&"open".into(), &3.into())
    );
    assert_eq!(offer(&["renew", "provider"]).code, 2);

    // What the file asks for is told, and counts once it is brought to the ledger.
    let text = fs::read_to_string(&file).unwrap();
    let more = "\n[provider.offer]\norders = 1\nmemory = \"1 GiB\"\n";
    fs::write(&file, text + more).unwrap();
    assert_eq!(provider(&offer(&["show"]))["differs_from_config"], true);
    let set = offer(&["set", "provider"]).ok();
    assert_eq!(set["offer"]["memory"], 1u64 << 30);
    assert_eq!(provider(&offer(&["show"]))["differs_from_config"], false);
    assert_eq!(offer(&["set", "provider"]).code, 2);

    // What is wrong is told before anything is sent.
    let unknown = offer(&["set", "provider", "--methods", "qlora"]);
    assert_eq!(unknown.code, 2);
    let hint = unknown.json()["hint"].to_string();
    assert!(hint.contains("lora,ia3,bitfit,private_lora,full"), "{hint}");
    assert_eq!(offer(&["set", "storage", "--orders", "1"]).code, 2);
    assert_eq!(offer(&["set", "auditor", "--orders", "1"]).code, 3);
    let own = assay(&net, &["offer", "show", "--json"]);
    assert_eq!(own.code, 3, "the requester offers nothing");
    let help = assay(&net, &["offer", "set", "--help"]).out;
    assert!(
        help.contains("Examples:") && help.contains("--usual"),
        "{help}"
    );
    let table = assay(&net, &["offer", "show", "--config", config]).out;
    assert!(
        table.contains("least pay") && table.contains("1.0 GiB"),
        "{table}"
    );
}
