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
    assert!(config.plays(Role::Provider) && !config.plays(Role::Validator));
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
            format!("{GOOD}\n[provider]\nthreads = 9999\n"),
            "leave it out",
        ),
        (
            GOOD.replace("\"storage\"]", "\"auditor\"]").replace(
                "[storage]\nquota = \"2 GiB\"",
                "[provider]\nthreads = 2\n[auditor]\nthreads = 3",
            ),
            "write the same number",
        ),
        (
            GOOD.replace("listen = \"127.0.0.1:7100\"", "listen = \"::1:7100\""),
            "[::1]:8100",
        ),
        (
            GOOD.replace("listen = ", "http = \"http://127.0.0.1:80\"\nlisten = "),
            "leave out",
        ),
        (
            GOOD.replace("listen = ", "advertise = \"0.0.0.0:7100\"\nlisten = "),
            "give its real address",
        ),
        (
            GOOD.replace("\"/var/assay\"", "\"~somebody/assay\""),
            "another user's home",
        ),
        (
            GOOD.replace("genesis =", "genesys ="),
            "did you mean `genesis`?",
        ),
        (
            GOOD.replace("\"storage\"]", "\"Storage\"]"),
            "did you mean `storage`?",
        ),
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

#[test]
fn names_ipv6_and_the_home_directory_are_understood() {
    let peer = SecretKey::from_seed([3; 32]).public();
    let text = GOOD
        .replace("127.0.0.1:7100", "[::1]:7100")
        .replace("\"/var/assay\"", "\"~/assay/data\"")
        .replace("\"genesis.json\"", "\"~\"");
    let text = format!(
        "http = \"localhost:8100\"\nadvertise = \"node.example.org:7100\"\n{text}\n[[peers]]\nkey = \
         \"{peer}\"\naddress = \"validator-1.example.org:7000\"\n"
    );
    let config = parse(&text).unwrap();
    let home = std::env::home_dir().unwrap();
    assert_eq!(config.dir, home.join("assay/data"));
    assert_eq!(config.genesis, home);
    assert_eq!(config.listen.to_string(), "[::1]:7100");
    assert_eq!(config.http.unwrap().to_string(), "localhost:8100");
    assert_eq!(config.peers[0].address.port(), 7000);
}

#[test]
fn a_byte_order_mark_and_a_directory_are_no_riddles() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("node.toml");
    std::fs::write(&file, format!("\u{feff}{GOOD}")).unwrap();
    NodeConfig::load(&file).unwrap();
    let error = NodeConfig::load(temp.path()).unwrap_err().to_string();
    assert!(error.contains("it is a directory"), "{error}");
}

#[test]
fn ports_that_collide_are_found_also_behind_a_wildcard() {
    let validator = |http: &str, listen: &str| {
        let text = GOOD
            .replace("[\"provider\", \"storage\"]", "[\"validator\"]")
            .replace("[storage]\nquota = \"2 GiB\"", "");
        parse(&format!(
            "http = \"{http}\"\n{text}\n[validator]\nlisten = \"{listen}\"\nshare = \"s\"\n"
        ))
    };
    assert!(validator("127.0.0.1:1", "0.0.0.0:1").is_err());
    assert!(validator("0.0.0.0:1", "127.0.0.1:1").is_err());
    assert!(validator("127.0.0.1:1", "127.0.0.1:0").is_err());
    validator("127.0.0.1:1", "127.0.0.2:1").unwrap();
    validator("0.0.0.0:1", "127.0.0.2:2").unwrap();
}

#[test]
fn orders_to_join_name_files_beside_the_configuration_and_need_the_role() {
    let order = "ab".repeat(32);
    let join =
        format!("\n[[join]]\norder = \"{order}\"\njob = \"job.toml\"\nrows = \"rows.csv\"\n");
    let config = parse(&format!("{GOOD}{join}")).unwrap();
    let [of] = &config.join[..] else {
        panic!("one is named")
    };
    assert_eq!(of.order.to_string(), order);
    assert_eq!(of.job, Path::new("/etc/assay/job.toml"));
    assert_eq!(of.rows, Path::new("/etc/assay/rows.csv"));
    let message = told(&format!("{GOOD}{}", join.replace("rows.csv", "")));
    assert!(message.contains("`join.rows` is empty"), "{message}");
    let without = GOOD.replace("\"provider\", ", "");
    let message = told(&format!("{without}{join}"));
    assert!(message.contains("`[[join]]`"), "{message}");
}
