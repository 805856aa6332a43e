use std::{error::Error, path::Path};

use assay_crypto::SecretKey;

use super::*;

const GOOD: &str = r#"
roles = ["provider", "storage"]
key = "node.key.json"
dir = "/var/assay"
genesis = "genesis.json"
listen = "127.0.0.1:7100"

[storage]
quota = "2 GiB"
"#;

fn parse(text: &str) -> Result<NodeConfig, ConfigError> {
    NodeConfig::parse(text, Path::new("/etc/assay/node.toml"))
}

/// The whole chain of an error, as the program prints it.
fn told(text: &str) -> String {
    let error = parse(text).unwrap_err();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[test]
fn a_good_file_is_read_and_its_paths_anchored() {
    let config = parse(GOOD).unwrap();
    assert!(config.plays(RoleName::Provider) && !config.plays(RoleName::Validator));
    assert_eq!(config.key, Path::new("/etc/assay/node.key.json"));
    assert_eq!(config.dir, Path::new("/var/assay"));
    assert_eq!(config.storage.unwrap().quota, ByteSize(2 << 30));
}

#[test]
fn a_cheating_role_does_not_exist() {
    for cheater in ["skipper", "lazy_provider", "cheater", "copier"] {
        let text = GOOD.replace("\"provider\"", &format!("\"{cheater}\""));
        let message = told(&text);
        assert!(message.contains("unknown variant"), "{message}");
        assert!(
            message.contains("`validator`, `provider`, `auditor`, `storage`"),
            "{message}"
        );
    }
    let message = told(&format!("{GOOD}\n[provider]\nbehaviour = \"skip-steps\"\n"));
    assert!(message.contains("unknown field `behaviour`"), "{message}");
}

#[test]
fn misspelt_and_missing_fields_are_named_with_their_line() {
    let message = told(&GOOD.replace("listen", "lisen"));
    assert!(
        message.contains("unknown field `lisen`") && message.contains("line 6"),
        "{message}"
    );
    let message = told(&GOOD.replace("dir = \"/var/assay\"\n", ""));
    assert!(message.contains("missing field `dir`"), "{message}");
}

#[test]
fn settings_that_do_not_fit_are_refused_with_a_remedy() {
    let key = SecretKey::from_seed([3; 32]).public();
    let peer = |address: &str| format!("\n[[peers]]\nkey = \"{key}\"\naddress = \"{address}\"\n");
    let cases = [
        (
            GOOD.replace(r#"["provider", "storage"]"#, "[]"),
            "name at least one",
        ),
        (
            GOOD.replace("\"provider\"", "\"storage\""),
            "keep each once",
        ),
        (
            GOOD.replace("\"provider\"", "\"validator\""),
            "needs a [validator] section",
        ),
        (
            GOOD.replace(", \"storage\"", ""),
            "add \"storage\" to `roles` or delete it",
        ),
        (GOOD.replace("2 GiB", "0 GiB"), "give it some room"),
        (GOOD.replace("2 GiB", "2 gigs"), "such as \"20 GiB\""),
        (format!("{GOOD}\n[provider]\nthreads = 0\n"), "leave it out"),
        (
            format!("{GOOD}{}", peer("0.0.0.0:7100")),
            "give its real address",
        ),
        (
            format!("{GOOD}{}{}", peer("10.0.0.1:1"), peer("10.0.0.2:1")),
            "listed twice",
        ),
        (
            format!("{GOOD}\n[[peers]]\nkey = \"12\"\naddress = \"10.0.0.1:1\"\n"),
            "line",
        ),
    ];
    for (text, remedy) in cases {
        let message = told(&text);
        assert!(message.contains(remedy), "{remedy:?} is not in {message:?}");
    }
}

#[test]
fn an_unreadable_file_is_named() {
    let error = NodeConfig::load(Path::new("/nowhere/node.toml")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/node.toml"));
}
