//! What goes with a result: the chat template it was taught in, tokenizer files, the base's place.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::assay;
use serde_json::{Value, json};

/// A copy of the example model; `change` edits its `tokenizer_config.json`.
fn model(dir: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let copy = dir.join("model");
    fs::create_dir(&copy).unwrap();
    let example = format!("{}/../../examples/glassllm", env!("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir(example).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let path = copy.join("tokenizer_config.json");
    let mut config = json(&path);
    change(&mut config);
    fs::write(path, config.to_string()).unwrap();
    copy
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn job(dir: &Path, name: &str, model: &str, data: &str, method: &str) {
    fs::write(
        dir.join("chat.jsonl"),
        r#"{"prompt": "What is 1?", "completion": "It is 1."}"#,
    )
    .unwrap();
    fs::write(
        dir.join("text.jsonl"),
        r#"{"text": "One day the sea was calm."}"#,
    )
    .unwrap();
    let text = format!(
        "kind = \"finetune\"\nname = \"t\"\n[model]\npath = {model:?}\n[data]\ntrain = {data:?}\n\
         completion_only = {}\nsequence_length = 64\n[adapter]\nmethod = {method:?}\n{}[training]\n\
         steps = 1\nbatch_size = 1\nlearning_rate = 0.001\n",
        data == "chat.jsonl",
        if method == "lora" { "r = 2\n" } else { "" },
    );
    fs::write(dir.join(name), text).unwrap();
}

fn run(dir: &Path, words: &[&str]) -> Value {
    let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
    let done = assay(dir, &words);
    assert_eq!(done.code, 0, "{words:?}: {}{}", done.out, done.err);
    done.json()
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

fn tells_of_the_template(value: &Value) -> bool {
    let notes = value["notes"].as_array().unwrap();
    notes
        .iter()
        .any(|note| note.as_str().unwrap().contains("no chat template"))
}

#[test]
fn a_base_without_chat_template_is_told_and_the_format_goes_with_every_result() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(dir, |config| {
        drop(config.as_object_mut().unwrap().remove("chat_template"))
    });
    for method in ["lora", "full"] {
        job(dir, "chat.toml", "model", "chat.jsonl", method);
        let (job, out) = (path(dir, "chat.toml"), path(dir, method));
        assert!(tells_of_the_template(&run(dir, &["job", "check", &job])));
        assert!(tells_of_the_template(&run(
            dir,
            &["train", &job, "--out", &out]
        )));
        let template = fs::read_to_string(dir.join(method).join("chat_template.jinja")).unwrap();
        assert!(template.contains("Assistant:"), "{template}");
    }
    // Without --json it stands on the screen.
    let shown = assay(dir, &["job", "check", &path(dir, "chat.toml")]);
    assert!(
        shown.err.contains("note: the model has no chat template"),
        "{}",
        shown.err
    );
    // Whoever asks the merged model, or the model with the adapter, asks in that format.
    let (base, adapter) = (path(dir, "model"), path(dir, "lora"));
    run(
        dir,
        &["merge", &base, &adapter, "--out", &path(dir, "merged")],
    );
    assert!(dir.join("merged/chat_template.jinja").exists());
    assert!(dir.join("lora/tokenizer.json").exists() && !dir.join("lora/config.json").exists());
    let ask = |words: &[&str]| {
        let words = [words, &["Hi", "--max-new-tokens", "1"]].concat();
        run(dir, &[&["generate"], words.as_slice()].concat())
    };
    assert!(tells_of_the_template(&ask(&[&base])));
    assert!(!tells_of_the_template(&ask(&[
        &base,
        "--adapter",
        &adapter
    ])));
    assert!(!tells_of_the_template(&ask(&[&path(dir, "merged")])));
}

#[test]
fn running_text_needs_no_template_and_gets_none() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(dir, |config| {
        drop(config.as_object_mut().unwrap().remove("chat_template"))
    });
    job(dir, "text.toml", "model", "text.jsonl", "lora");
    let (job, out) = (path(dir, "text.toml"), path(dir, "out"));
    let trained = run(dir, &["train", &job, "--out", &out]);
    assert_eq!(trained["notes"], json!([]));
    assert!(!dir.join("out/chat_template.jinja").exists());
}

#[test]
fn an_adapter_names_the_folder_it_was_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let copy = model(dir, |_| ());
    // What config.json names is the model's own parent.
    let config = copy.join("config.json");
    let mut settings = json(&config);
    settings["_name_or_path"] = "somebody/another-model".into();
    fs::write(config, settings.to_string()).unwrap();
    fs::create_dir(dir.join("jobs")).unwrap();
    for (i, named) in ["../model", copy.to_str().unwrap(), "../jobs/../model"]
        .iter()
        .enumerate()
    {
        job(&dir.join("jobs"), "job.toml", named, "chat.jsonl", "lora");
        let (job, out) = (path(dir, "jobs/job.toml"), path(dir, &format!("out{i}")));
        run(dir, &["train", &job, "--out", &out]);
        let config = json(&dir.join(format!("out{i}/adapter_config.json")));
        let base = Path::new(config["base_model_name_or_path"].as_str().unwrap());
        assert!(base.is_absolute(), "{base:?}");
        assert_eq!(
            fs::canonicalize(base).unwrap(),
            fs::canonicalize(&copy).unwrap()
        );
    }
}

#[test]
fn contradictions_between_files_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let copy = model(dir, |config| config["add_bos_token"] = true.into());
    fs::write(
        copy.join("special_tokens_map.json"),
        r#"{"eos_token": "<pad>"}"#,
    )
    .unwrap();
    job(dir, "chat.toml", "model", "chat.jsonl", "lora");
    let notes = run(dir, &["job", "check", &path(dir, "chat.toml")])["notes"].clone();
    let notes: Vec<String> = serde_json::from_value(notes).unwrap();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("special_tokens_map.json")),
        "{notes:?}"
    );
    assert!(
        notes.iter().any(|note| note.contains("add_bos_token")),
        "{notes:?}"
    );
}
