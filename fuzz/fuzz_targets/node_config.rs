//! Node configurations: what is accepted names at least one role and no relative path.
#![no_main]

use std::path::Path;

use assay_ledger::Role;
use assay_node::config::NodeConfig;
use libfuzzer_sys::fuzz_target;

const STORAGE: &str = r#"roles = ["storage"]
key = "node.key.json"
dir = "data"
genesis = "genesis.json"
listen = "0.0.0.0:7100"
[storage]
quota = "20 GiB"
"#;

const EVERYTHING: &str = r#"roles = ["validator", "provider", "auditor", "storage"]
key = "/etc/node.key.json"
dir = "data"
genesis = "genesis.json"
listen = "0.0.0.0:7100"
advertise = "203.0.113.7:7100"
http = "127.0.0.1:8100"
[validator]
listen = "0.0.0.0:7200"
share = "share.key.json"
block_interval_ms = 300
[provider]
bond = 5000000
threads = 2
[auditor]
[storage]
quota = "1 TiB"
bond = 1
[[peers]]
key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
address = "203.0.113.7:7100"
"#;

fn seeds() -> Vec<Vec<u8>> {
    [STORAGE, EVERYTHING]
        .map(|text| text.as_bytes().to_vec())
        .into()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(config) = NodeConfig::parse(text, Path::new("/etc/assay/node.toml")) else {
        return;
    };
    assert!(!config.roles.is_empty());
    for path in [&config.key, &config.dir, &config.genesis] {
        assert!(path.is_absolute(), "{path:?}");
    }
    assert_eq!(config.plays(Role::Validator), config.validator.is_some());
    config.public_address();
});
