//! What every command promises: one JSON object, errors with hints, documented exit codes.

use std::process::Command;

use crate::support::assay;
use assay_node::devnet::{Plan, lay_out};
use serde_json::Value;

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
fn without_a_word_it_says_what_can_be_said() {
    // With ASSAY_DIR set, as here.
    let dir = tempfile::tempdir().unwrap();
    let told = assay(dir.path(), &[]);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("Usage: assay"), "{}", told.err);
    assert!(!told.err.contains("error:"), "{}", told.err);
    // Half a command is a mistake all the same.
    let half = assay(dir.path(), &["--json"]);
    assert_eq!(half.code, 2);
    assert!(half.json()["error"].is_string(), "{}", half.out);
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
fn an_empty_variable_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // One that is laid out and does not run.
    let plan = Plan {
        http: Some(([127, 0, 0, 1], 0).into()),
        ..Plan::default()
    };
    lay_out(dir.path(), &plan).unwrap();
    let network = |node: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.args(["network", "--json", "--dir"]).arg(dir.path());
        command.env_remove("ASSAY_NODE").env("ASSAY_DIR", "");
        let run = command.envs(node.map(|node| ("ASSAY_NODE", node))).output();
        run.unwrap()
    };
    let unset = network(None);
    assert_eq!(network(Some("")), unset);
    assert_ne!(network(Some("nowhere")), unset, "a wrong one is told");
    let shown = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["keys", "show"])
        .env("ASSAY_DIR", "")
        .env("HOME", dir.path())
        .current_dir(dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8(shown.stderr).unwrap();
    assert!(!told.contains("it is empty"), "{told}");
}

#[test]
fn an_answer_that_cannot_be_written_is_a_short_error() {
    let full = std::fs::File::create("/dev/full").unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["job", "schema"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1));
    let told = String::from_utf8(run.stderr).unwrap();
    assert!(told.contains("cannot be written"), "{told}");
    assert!(
        !told.contains("$schema") && told.lines().count() < 4,
        "{told}"
    );
}

#[test]
fn a_merge_that_fails_leaves_no_folder() {
    let dir = tempfile::tempdir().unwrap();
    let model = examples("glassllm");
    let out = dir.path().join("deep/merged");
    let merge = ["merge", &model, "/nowhere", "--out", out.to_str().unwrap()];
    assert_eq!(assay(dir.path(), &merge).code, 1);
    assert!(!dir.path().join("deep").exists());
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

fn examples(path: &str) -> String {
    format!("{}/../../examples/{path}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn text_is_reproduced_by_its_seed_and_survives_merging() {
    let dir = tempfile::tempdir().unwrap();
    let model = examples("glassllm");
    // A few steps, so that there is an adapter.
    let job = std::fs::read_to_string(examples("finetune.toml")).unwrap();
    let job = [
        ("\"glassllm\"".to_owned(), format!("{model:?}")),
        ("steps = 160".to_owned(), "steps = 20".to_owned()),
        ("dialogue/".to_owned(), examples("dialogue/")),
    ]
    .iter()
    .fold(job, |job, (from, to)| job.replace(from, to));
    std::fs::write(dir.path().join("job.toml"), job).unwrap();
    let adapter = dir.path().join("adapter");
    let (job, adapter) = (dir.path().join("job.toml"), adapter.to_str().unwrap());
    let trained = ["train", job.to_str().unwrap(), "--out", adapter, "--json"];
    assay(dir.path(), &trained).ok();

    let prompt = "How are you?";
    let write = |model: &str, more: &[&str]| {
        let arguments = [&["generate", model, prompt, "--json"], more].concat();
        assay(dir.path(), &arguments).ok()["text"].clone()
    };
    let greedy = write(&model, &["--adapter", adapter]);
    assert_ne!(greedy, write(&model, &[]), "the adapter changes nothing");
    let drawn = |seed: &str| {
        write(
            &model,
            &["--adapter", adapter, "--temperature", "1.5", "--seed", seed],
        )
    };
    assert_eq!(drawn("07"), drawn("07"));
    assert!((0..8).any(|n| drawn(&format!("a{n}")) != drawn("07")));

    let merged = dir.path().join("merged");
    let merged = merged.to_str().unwrap();
    let merge = ["merge", &model, adapter, "--out", merged, "--json"];
    assay(dir.path(), &merge).ok();
    assert_eq!(write(merged, &[]), greedy);
    // It never writes over something.
    let again = assay(dir.path(), &merge);
    assert_eq!(again.code, 2);
    assert!(
        again.json()["error"]
            .as_str()
            .unwrap()
            .contains("is not empty")
    );
}

#[test]
fn settings_of_generation_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let model = examples("glassllm");
    for (more, expected) in [
        (["--temperature", "0"], "temperature is 0"),
        (["--top-p", "1.5"], "top_p is 1.5"),
        (["--seed", "xyz"], "--seed"),
        (["--stop", ""], "a stop string is empty"),
    ] {
        let run = assay(
            dir.path(),
            &["generate", &model, "Hi", more[0], more[1], "--json"],
        );
        let error = run.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(run.code, 2, "{error}");
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    }
    let missing = assay(dir.path(), &["generate", "nowhere", "Hi", "--json"]);
    assert_eq!(missing.code, 1);
    let error = missing.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("nowhere is missing"), "{error}");
}
