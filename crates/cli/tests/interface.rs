//! What every command promises: one JSON object, errors with hints, documented exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use support::assay;

#[test]
fn a_key_is_made_once_and_shown_without_its_secret() {
    let dir = tempfile::tempdir().unwrap();
    let made = assay(dir.path(), &["keys", "new", "--json"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let account = made.json()["account"].as_str().unwrap().to_owned();
    assert_eq!(account.len(), 64);

    let shown = assay(dir.path(), &["keys", "show"]);
    assert!(shown.out.contains(&account), "{}", shown.out);
    let file = std::fs::read_to_string(dir.path().join("key.json")).unwrap();
    let seed = serde_json::from_str::<Value>(&file).unwrap()["seed"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!made.out.contains(&seed) && !shown.out.contains(&seed));

    let again = assay(dir.path(), &["keys", "new", "--json"]);
    assert_eq!(again.code, 2);
    assert!(
        again.json()["error"]
            .as_str()
            .unwrap()
            .contains("exists already")
    );
}

#[test]
fn errors_are_sentences_or_one_object() {
    let dir = tempfile::tempdir().unwrap();
    let text = assay(dir.path(), &["keys", "show"]);
    assert_eq!((text.code, text.out.as_str()), (3, ""));
    assert!(text.err.contains("assay keys new"), "{}", text.err);

    let wrong = assay(dir.path(), &["keys", "lose", "--json"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.json()["error"].as_str().unwrap().contains("lose"));
    assert!(wrong.json()["hint"].as_str().unwrap().contains("--help"));

    let text = assay(dir.path(), &["keys", "lose"]);
    assert_eq!((text.code, text.out.as_str()), (2, ""));
}

#[test]
fn help_teaches_with_examples_and_lists_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let help = assay(dir.path(), &["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.contains("Exit codes"), "{}", help.out);
    let help = assay(dir.path(), &["keys", "new", "--help"]);
    assert!(help.out.contains("Examples:"), "{}", help.out);
}
