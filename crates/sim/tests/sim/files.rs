//! Scenario files and the program that runs them.

use std::process::{Command, Output};

use assay_sim::Scenario;

const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../examples/simulation.toml"
);

/// What is said about a file; every cause in one line.
fn refused(text: &str) -> String {
    let error = Scenario::parse(text).unwrap_err();
    let mut told = error.to_string();
    let mut below = std::error::Error::source(&error);
    while let Some(source) = below {
        told = format!("{told}: {source}");
        below = source.source();
    }
    told
}

#[test]
fn impossible_files_are_refused_with_what_is_wrong() {
    let base = "validators = 4\nduration_ms = 1000\n";
    let with = |more: &str| format!("{base}{more}");
    let liars = |kind: &str, list: &str| {
        format!("{base}[[liars]]\nkind = \"{kind}\"\nvalidators = {list}\n")
    };
    let fault = |body: &str| format!("{base}[[faults]]\n{body}\n");
    let cases = [
        (String::new(), "missing field `validators`"),
        ("validators = 0\nduration_ms = 1".into(), "between 1 and 64"),
        (
            "validators = 65\nduration_ms = 1".into(),
            "`validators` is 65",
        ),
        (
            "validators = 4\nduration_ms = 0".into(),
            "`duration_ms` is 0",
        ),
        (
            "validators = 4\nduration_ms = 14400001".into(),
            "(four hours)",
        ),
        ("validators = -1\nduration_ms = 1".into(), "invalid value"),
        (with("seed = -1"), "invalid value"),
        (with("spede = 1"), "unknown field `spede`"),
        (with("[links]\nlatency_ms = 10001"), "`latency_ms` is 10001"),
        (
            with("[links]\nlatency_ms = 5\njitter_ms = 6"),
            "more than `latency_ms`",
        ),
        (
            with("[links]\nlatency_ms = 5\nlost_per_mille = 1000"),
            "below 1000",
        ),
        (
            with("[pace]\nleader_timeout_ms = 0"),
            "`leader_timeout_ms` is 0",
        ),
        (liars("joker", "[1]"), "unknown variant `joker`"),
        (liars("twins", "[4]"), "numbered from 0 to 3"),
        (liars("twins", "[]"), "names no validator"),
        (liars("twins", "[1, 1]"), "validator 1 twice"),
        (
            liars("twins", "[0, 1, 2, 3]"),
            "at least one must be honest",
        ),
        (
            fault("what = \"kill\"\nat_ms = 1000\nvalidators = [1]"),
            "after the end",
        ),
        (
            fault("what = \"kill\"\nat_ms = 1\nvalidators = [9]"),
            "fault 1 names validator 9",
        ),
        (
            fault("what = \"kill\"\nat_ms = 1"),
            "missing field `validators`",
        ),
        (
            fault("what = \"explode\"\nat_ms = 1"),
            "unknown variant `explode`",
        ),
        (
            fault("what = \"heal\"\nat_ms = 1\nwho = 3"),
            "unknown field `who`",
        ),
        (
            fault("what = \"partition\"\nat_ms = 1\nparts = [[0, 1], [1, 2]]"),
            "fault 1 names validator 1 twice",
        ),
        (
            fault("what = \"power-cut\"\nat_ms = 1\nvalidators = [1]\nsync = 0"),
            "`sync` is 0",
        ),
        (
            fault("what = \"kill-leader\"\nat_ms = 1\nothers = 4"),
            "`others` is 4",
        ),
        (
            fault("what = \"churn\"\nat_ms = 9\nuntil_ms = 8\nkilled_per_mille = 1\naway_ms = 1"),
            "`until_ms` is 8",
        ),
    ];
    for (text, expected) in cases {
        let told = refused(&text);
        assert!(told.contains(expected), "{text:?}\n{told:?}\n{expected:?}");
    }
    let huge = " ".repeat(assay_sim::MAX_FILE_BYTES + 1);
    assert!(refused(&huge).contains("at most"));
}

#[test]
fn a_file_says_the_same_when_written_and_read_again() {
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let scenario = Scenario::parse(&text).unwrap();
    assert_eq!(Scenario::parse(&scenario.to_toml()).unwrap(), scenario);
}

fn assay_sim(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay-sim"));
    command.args(arguments).env_remove("RUST_LOG");
    command.output().unwrap()
}

#[test]
fn the_program_runs_the_example_and_repeats_it() {
    let table = assay_sim(&["run", EXAMPLE]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(table.status.success(), "{text}");
    let line = |name: &str| text.lines().find(|line| line.trim().starts_with(name));
    assert!(line("forks").unwrap().contains("none"), "{text}");
    assert!(line("double votes").unwrap().contains("none"), "{text}");
    let again = assay_sim(&["--json", "run", EXAMPLE]);
    let json: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    let chain = json["chain"].as_str().unwrap();
    assert!(line("chain").unwrap().contains(chain), "{text}\n{json}");
    assert_eq!(json["forks"], serde_json::json!([]));
}

#[test]
fn the_program_says_what_is_wrong_and_fails() {
    let missing = assay_sim(&["run", "/nowhere/at/all.toml"]);
    assert!(!missing.status.success());
    let told = String::from_utf8(missing.stderr).unwrap();
    assert!(told.contains("cannot read /nowhere/at/all.toml"), "{told}");
    let drawn = assay_sim(&["draw", "7"]);
    let text = String::from_utf8(drawn.stdout).unwrap();
    assert_eq!(Scenario::parse(&text).unwrap(), Scenario::drawn(7));
}
