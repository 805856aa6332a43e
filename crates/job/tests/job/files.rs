//! What people name in a job file: data of every format, models with spare settings, and what is
//! refused with its reason.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use assay_crypto::Digest;
use assay_job::{Job, JobError, Local, run};
use tempfile::{TempDir, tempdir};

const PAIRS: [(&str, &str); 3] = [
    ("Which is one?", "The first of all."),
    ("Will you sing?", "Not before noon."),
    ("Where is the key?", "Under the mat, I think."),
];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// An evaluation of the example model on a file with these bytes.
fn job(folder: &TempDir, name: &str, bytes: &[u8], more: &str) -> Result<Job, JobError> {
    fs::write(folder.path().join(name), bytes).unwrap();
    on_model(folder, &examples().join("glassllm"), name, more)
}

fn on_model(folder: &TempDir, model: &Path, data: &str, more: &str) -> Result<Job, JobError> {
    let text = format!(
        "kind = \"evaluate\"\nname = \"case\"\nmodel = {{ path = {model:?} }}\n[data]\npath = {data:?}\n\
         sequence_length = 32\n{more}\n[evaluation]\nbatch_size = 2\n"
    );
    assay_job::read(&text, folder.path())
}

/// Every cause of a refusal in one line.
fn told<T>(result: Result<T, JobError>) -> String {
    let Err(error) = result else {
        panic!("it was accepted");
    };
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The state that an evaluation ends in: its sum and its tokens.
fn score(job: &Job) -> Vec<u8> {
    let local = Local::new(job, Digest::ZERO).unwrap();
    run(&local.task, &mut |_| ControlFlow::Continue(()))
        .unwrap()
        .state
}

fn lines() -> String {
    let line = |(p, c): &(&str, &str)| format!("{{\"prompt\":{p:?},\"completion\":{c:?}}}\n");
    PAIRS.iter().map(line).collect()
}

#[test]
fn data_of_every_format_give_one_score() {
    let folder = tempdir().unwrap();
    let lines = lines();
    let cells = |separator: &str| -> String {
        let row = |(p, c): &(&str, &str)| format!("\"{p}\"{separator}\"{c}\"\n");
        format!(
            "prompt{separator}completion\n{}",
            PAIRS.iter().map(row).collect::<String>()
        )
    };
    let array = format!("[{}]", lines.trim().replace('\n', ","));
    let files = [
        ("a.jsonl", lines.clone()),
        ("b.JSONL", format!("\u{feff}{lines}")),
        ("c.ndjson", lines.replace('\n', "\r\n")),
        ("d.json", array.clone()),
        ("e.jsonl", array),
        ("f.json", lines),
        ("g.csv", cells(",")),
        ("h.tsv", cells("\t")),
        (
            "i.csv",
            format!("\u{feff}{}", cells(",").replace('\n', "\r\n")),
        ),
    ];
    let scores: Vec<Vec<u8>> = files
        .iter()
        .map(|(name, text)| {
            score(&job(&folder, name, text.as_bytes(), "completion_only = true").unwrap())
        })
        .collect();
    assert!(scores.iter().all(|found| *found == scores[0]), "{scores:?}");
}

#[test]
fn text_is_text_however_it_begins() {
    let folder = tempdir().unwrap();
    let text = "[Illustration] It was the best of times, it was the worst of times.\n";
    let plain = score(&job(&folder, "a.txt", text.as_bytes(), "").unwrap());
    let marked = format!("\u{feff}{text}").replace('\n', "\r\n");
    assert_eq!(
        score(&job(&folder, "b.md", marked.as_bytes(), "").unwrap()),
        plain
    );
    let said = told(job(&folder, "c.txt", lines().as_bytes(), ""));
    assert!(
        said.contains("data.path") && said.contains("c.txt") && said.contains(".jsonl"),
        "{said}"
    );
}

#[test]
fn data_that_are_something_else_are_named_with_field_and_path() {
    let folder = tempdir().unwrap();
    for (name, bytes, expected) in [
        (
            "a.jsonl",
            &b"version https://git-lfs.github.com/spec/v1\n"[..],
            "git lfs pull",
        ),
        ("b.jsonl.gz", b"\x1f\x8b\x08", "gunzip"),
        ("c.jsonl", b"\x1f\x8b\x08\0", "compressed with gzip"),
        ("d.dat", b"{}", "does not say what it holds"),
        ("e.parquet", b"PAR1\x15\x04", "cut off"),
        ("f.csv", b"prompt;completion\na;b\n", "semicolons"),
    ] {
        let said = told(job(&folder, name, bytes, ""));
        assert!(
            said.starts_with("data.path: ") && said.contains(name),
            "{said}"
        );
        assert!(said.contains(expected), "{said:?} lacks {expected:?}");
    }
    fs::create_dir(folder.path().join("set.jsonl")).unwrap();
    let glass = examples().join("glassllm");
    assert!(
        told(on_model(&folder, &glass, "set.jsonl", "")).contains("is a folder; name one file")
    );
    assert!(told(on_model(&folder, &glass, "none.jsonl", "")).contains("cannot read"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", folder.path().join("link.jsonl")).unwrap();
        let said = told(on_model(&folder, &glass, "link.jsonl", ""));
        assert!(
            said.contains("is a link to nowhere, which does not exist"),
            "{said}"
        );
    }
}

/// The example model under another `config.json` or `tokenizer.json`.
fn changed(folder: &TempDir, file: &str, change: impl Fn(&mut serde_json::Value)) -> PathBuf {
    let model = folder.path().join("model");
    fs::create_dir_all(&model).unwrap();
    for entry in fs::read_dir(examples().join("glassllm")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
    }
    let text = fs::read(model.join(file)).unwrap();
    let mut value = serde_json::from_slice(&text).unwrap();
    change(&mut value);
    fs::write(model.join(file), value.to_string()).unwrap();
    model
}

#[test]
fn a_window_as_long_as_a_row_hides_nothing_and_a_shorter_one_is_refused() {
    let folder = tempdir().unwrap();
    let full = score(&job(&folder, "a.jsonl", lines().as_bytes(), "").unwrap());
    let windowed = |window: u64| {
        changed(&folder, "config.json", |config| {
            config["model_type"] = "mistral".into();
            config["sliding_window"] = window.into();
        })
    };
    for window in [32, 33, 4096] {
        let job = on_model(&folder, &windowed(window), "a.jsonl", "").unwrap();
        assert_eq!(score(&job), full, "{window}");
    }
    let job = on_model(&folder, &windowed(31), "a.jsonl", "").unwrap();
    let said = told(assay_job::check(&job));
    assert!(
        said.contains("sliding_window of 31") && said.contains("at most 31"),
        "{said}"
    );
    let tune = format!(
        "kind = \"finetune\"\nname = \"case\"\nmodel = {{ path = {:?} }}\n\
         data = {{ train = \"a.jsonl\", sequence_length = 32 }}\n\
         training = {{ steps = 1, batch_size = 1, learning_rate = 1e-3 }}\n",
        windowed(31)
    );
    let said = told(assay_job::check(
        &assay_job::read(&tune, folder.path()).unwrap(),
    ));
    assert!(said.contains("sliding_window of 31"), "{said}");
}

#[test]
fn ids_beyond_the_embedding_matter_only_where_a_record_uses_them() {
    let folder = tempdir().unwrap();
    let full = score(&job(&folder, "a.jsonl", lines().as_bytes(), "").unwrap());
    let model = changed(&folder, "tokenizer.json", |tokenizer| {
        let token = serde_json::json!({"id": 70_000, "content": "<|spare|>", "special": true,
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": false});
        tokenizer["added_tokens"]
            .as_array_mut()
            .unwrap()
            .push(token);
    });
    assert_eq!(
        score(&on_model(&folder, &model, "a.jsonl", "").unwrap()),
        full
    );
    let used = format!(
        "{}{{\"prompt\":\"a <|spare|> b\",\"completion\":\"c\"}}\n",
        lines()
    );
    fs::write(folder.path().join("used.jsonl"), used).unwrap();
    let said = told(on_model(&folder, &model, "used.jsonl", ""));
    assert!(
        said.contains("line 4") && said.contains("<|spare|>"),
        "{said}"
    );
}

#[test]
fn packing_is_refused_with_its_reason_and_false_is_accepted() {
    let folder = tempdir().unwrap();
    let plain = job(&folder, "a.jsonl", lines().as_bytes(), "").unwrap();
    let off = job(&folder, "a.jsonl", lines().as_bytes(), "packing = false").unwrap();
    assert_eq!(off.specification, plain.specification);
    let on = told(job(
        &folder,
        "a.jsonl",
        lines().as_bytes(),
        "packing = true",
    ));
    assert!(
        on.contains("data.packing: records in one sequence would see each other"),
        "{on}"
    );
    assert!(on.contains("leave it out"), "{on}");
    let tune = "kind = \"finetune\"\nname = \"n\"\nmodel = { path = \"m\" }\n\
                data = { train = \"t.jsonl\", sequence_length = 8, packing = true }\n\
                training = { steps = 4, batch_size = 1, learning_rate = 1e-4 }\n";
    assert!(told(assay_job::read(tune, folder.path())).contains("data.packing"));
    let schema = assay_job::schema().to_string();
    assert_eq!(schema.matches("\"packing\"").count(), 2);
    assert!(
        !String::from_utf8(plain.specification)
            .unwrap()
            .contains("packing")
    );
}
