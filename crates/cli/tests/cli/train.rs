//! `assay train`: what it refuses before it begins, what it says of steps that change nothing, and
//! that it can be killed at any moment.

use std::{
    fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::{Process, Run, assay};
use serde_json::{Value, json};

fn examples() -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    examples.canonicalize().unwrap()
}

/// The example's job in `dir`, with some of its text replaced.
fn job(dir: &Path, changes: &[(&str, &str)]) -> String {
    let text = fs::read_to_string(examples().join("finetune.toml")).unwrap();
    let text = changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the example has no {from}");
        text.replacen(from, to, 1)
    });
    let at = |name: &str| format!("\"{}/{name}", examples().display());
    let text = text
        .replace("\"glassllm", &at("glassllm"))
        .replace("\"dialogue/", &at("dialogue/"));
    let path = dir.join("job.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn train(dir: &Path, job: &str, more: &[&str]) -> Run {
    let arguments = [&["train", job, "--seed", "00", "--json"], more].concat();
    assay(dir, &arguments)
}

/// What a run that must fail says, with its hint.
fn refused(dir: &Path, job: &str, code: i32) -> String {
    let run = train(dir, job, &["--out", &path(dir, "out")]);
    assert_eq!(run.code, code, "{} {}", run.out, run.err);
    let said = run.json();
    assert!(!dir.join("out/train.state").exists(), "{said}");
    let result = ["adapter_model.safetensors", "model.safetensors"];
    assert!(
        result
            .iter()
            .all(|name| !dir.join("out").join(name).exists())
    );
    format!("{} {}", said["error"], said["hint"])
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

/// A copy of the example model whose tensor `name` is changed, as f32 values.
fn model(dir: &Path, name: &str, change: impl FnOnce(&mut [f32])) -> String {
    let (from, to) = (examples().join("glassllm"), dir.join("model"));
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    edit(&to.join("model.safetensors"), name, change);
    to.display().to_string()
}

/// Changes one tensor of a safetensors file, which is widened to f32 for it.
fn edit(file: &Path, name: &str, change: impl FnOnce(&mut [f32])) {
    let bytes = fs::read(file).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Map<String, Value> =
        serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let body = bytes[8 + length..].to_vec();
    let entry = header[name].clone();
    let at = |i: usize| entry["data_offsets"][i].as_u64().unwrap() as usize;
    let data = &body[at(0)..at(1)];
    let mut values: Vec<f32> = match entry["dtype"].as_str().unwrap() {
        "F32" => (data.as_chunks::<4>().0.iter())
            .map(|word| f32::from_le_bytes(*word))
            .collect(),
        "F16" => (data.as_chunks::<2>().0.iter())
            .map(|half| widened(u16::from_le_bytes(*half)))
            .collect(),
        other => panic!("{other}"),
    };
    change(&mut values);
    // The changed tensor goes to the end, in f32; what it leaves is taken out, since files have no
    // gaps.
    let gap = at(1) - at(0);
    let mut rest = body[..at(0)].to_vec();
    rest.extend_from_slice(&body[at(1)..]);
    for (_, other) in header.iter_mut().filter(|(key, _)| *key != "__metadata__") {
        for i in 0..2 {
            let offset = other["data_offsets"][i].as_u64().unwrap() as usize;
            if offset >= at(1) {
                other["data_offsets"][i] = json!(offset - gap);
            }
        }
    }
    header[name] = json!({
        "dtype": "F32",
        "shape": entry["shape"],
        "data_offsets": [rest.len(), rest.len() + 4 * values.len()],
    });
    rest.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    let text = serde_json::to_vec(&header).unwrap();
    let mut out = (text.len() as u64).to_le_bytes().to_vec();
    out.extend_from_slice(&text);
    out.extend_from_slice(&rest);
    fs::write(file, out).unwrap();
}

/// The value of a 16-bit float.
fn widened(half: u16) -> f32 {
    let (exponent, fraction) = (i32::from(half >> 10 & 31), f32::from(half & 1023));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    };
    if half >> 15 == 1 { -size } else { size }
}

const O_PROJ: &str = "model.layers.2.self_attn.o_proj.weight";
const DOWN_PROJ: &str = "model.layers.1.mlp.down_proj.weight";

#[test]
fn dora_on_a_row_of_zeros_is_refused_by_name_before_training() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let width = 128;
    let model = model(dir, O_PROJ, |values| values[3 * width..4 * width].fill(0.0));
    let dora = [
        ("path = \"glassllm\"", format!("path = {model:?}")),
        ("r = 8", "r = 8\nuse_dora = true".to_owned()),
    ];
    let changes = dora.each_ref().map(|(from, to)| (*from, to.as_str()));
    let text = refused(dir, &job(dir, &changes), 2);
    for part in [
        "row 3 of model.layers.2.self_attn.o_proj.weight",
        "is zero",
        "leave o_proj out of target_modules",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // With the module left out it is trained, and plain LoRA does not mind.
    let without = [
        changes[0],
        (
            "r = 8",
            "r = 8\nuse_dora = true\nexclude_modules = [\"o_proj\"]",
        ),
        ("steps = 160", "steps = 2"),
        ("warmup_steps = 8", "warmup_steps = 1"),
        ("heldout =", "#"),
    ];
    let done = train(dir, &job(dir, &without), &[]).ok();
    assert_eq!(done["invalid_steps"], 0.0);
}

#[test]
fn a_run_without_one_valid_step_is_an_error_that_names_operator_projection_and_step() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let model = model(dir, DOWN_PROJ, |values| values.fill(3e38));
    let changes = [
        ("path = \"glassllm\"", format!("path = {model:?}")),
        ("steps = 160", "steps = 3".to_owned()),
        ("warmup_steps = 8", "warmup_steps = 1".to_owned()),
    ];
    let changes = changes.each_ref().map(|(from, to)| (*from, to.as_str()));
    let job = job(dir, &changes);
    let text = refused(dir, &job, 1);
    for part in [
        "none of the 3 steps could be taken",
        "step 1 changed nothing",
        "product of layer 1, mlp.down_proj",
        "in row ",
        "no learning rate mends that",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(
        !text.contains("order") && !text.contains("evaluat"),
        "{text}"
    );
    // It is said before a network is started for it, too.
    for words in [
        &["try", &job, "--dir", &path(dir, "net"), "--json"][..],
        &["job", "check", &job, "--json"],
    ] {
        let run = assay(dir, words);
        assert_eq!(run.code, 2, "{}", run.out);
        assert!(run.out.contains("layer 1, mlp.down_proj"), "{}", run.out);
    }
}

#[test]
fn steps_that_change_nothing_are_counted_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // Decay by rate times decay, a hundredfold at each step and the other way round: the adapter
    // grows until products overflow.
    let changes = [
        ("heldout =", "#"),
        ("steps = 160", "steps = 30"),
        ("learning_rate = 0.007", "learning_rate = 10.0"),
        ("weight_decay = 0.0", "weight_decay = 10.0"),
        ("warmup_steps = 8", "warmup_steps = 0"),
        ("schedule = \"linear\"", "schedule = \"constant\""),
    ];
    let job = job(dir, &changes);
    let done = train(dir, &job, &["--out", &path(dir, "out")]).ok();
    let invalid = done["invalid_steps"].as_f64().unwrap();
    assert!((1.0..30.0).contains(&invalid), "{done}");
    // Ten in a row are too many.
    let told = format!("{invalid} of ");
    let warning = done["warnings"][0].as_str().unwrap();
    assert!(warning.contains("of 30 steps were tried"), "{warning}");
    assert!(warning.contains(&told), "{warning}");
    assert!(warning.starts_with("LITTLE WAS LEARNED"), "{warning}");
    let first = &done["first_invalid_step"];
    assert!(
        first["step"].as_u64().is_some_and(|step| step > 1),
        "{done}"
    );
    let reason = first["reason"].as_str().unwrap();
    assert!(
        reason.contains("row ") || reason.contains("the gradient is zero everywhere"),
        "{done}"
    );
    // A person reads the same.
    let run = assay(dir, &["train", &job]);
    assert!(run.err.contains("warning: step "), "{}", run.err);
    assert!(run.err.contains(&told), "{}", run.err);
    let line = format!("invalid_steps  {invalid}\n");
    assert!(run.out.contains(&line), "{}", run.out);
    assert!(run.out.contains("--out DIR"), "{}", run.out);
}

#[test]
fn held_out_data_is_checked_before_the_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let long = json!({"prompt": "why", "completion": "so it goes ".repeat(100)});
    fs::write(dir.join("held.jsonl"), format!("{long}\n")).unwrap();
    let held = path(dir, "held.jsonl");
    let heldout = format!("heldout = {held:?}");
    let job = job(dir, &[("heldout = \"dialogue/heldout.jsonl\"", &heldout)]);
    let text = refused(dir, &job, 2);
    assert!(
        text.contains("data.heldout") && text.contains("held.jsonl"),
        "{text}"
    );
    assert!(text.contains("line 1"), "{text}");
    for words in [
        &["try", &job, "--json"][..],
        &["job", "check", &job, "--json"],
    ] {
        let run = assay(&dir.join("home"), words);
        assert_eq!(run.code, 2, "{}", run.out);
        assert!(run.out.contains("data.heldout"), "{}", run.out);
    }
}

#[test]
fn an_adapter_that_changes_nothing_is_told_by_whoever_uses_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let quick = [
        ("steps = 160", "steps = 1"),
        ("warmup_steps = 8", "warmup_steps = 1"),
        (
            "target_modules = [\"q_proj\", \"k_proj\", \"v_proj\", \"o_proj\", \"gate_proj\", \"up_proj\", \"down_proj\"]",
            "target_modules = [\"q_proj\"]\nlayers_to_transform = 0",
        ),
    ];
    let adapter = path(dir, "out");
    train(dir, &job(dir, &quick), &["--out", &adapter]).ok();
    let weights = dir.join("out/adapter_model.safetensors");
    let b = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
    edit(&weights, b, |values| {
        assert!(values.iter().any(|value| *value != 0.0));
        values.fill(0.0);
    });
    let model = examples().join("glassllm").display().to_string();
    let heldout = examples().join("dialogue/heldout.jsonl");
    let text = format!(
        "kind = \"evaluate\"\nname = \"x\"\n[model]\npath = {model:?}\n[adapter]\npath = {adapter:?}\n\
         [data]\npath = {heldout:?}\ncompletion_only = true\nsequence_length = 64\n[evaluation]\nbatch_size = 8\n"
    );
    fs::write(dir.join("score.toml"), text).unwrap();
    let score = train(dir, &path(dir, "score.toml"), &[]).ok();
    let warning = score["warnings"][0].as_str().unwrap();
    assert!(warning.contains("the adapter changes nothing"), "{score}");
    assert_eq!(score["invalid_tokens"], 0.0);
    let merged = ["merge", &model, &adapter, "--out", &path(dir, "merged")];
    let merged = assay(dir, &merged);
    assert_eq!(merged.code, 0, "{}", merged.err);
    assert!(
        merged.err.contains("the adapter changes nothing"),
        "{}",
        merged.err
    );
}

#[test]
fn a_folder_with_another_result_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let quick = [
        ("steps = 160", "steps = 1"),
        ("warmup_steps = 8", "warmup_steps = 1"),
    ];
    let job = job(dir, &quick);
    let out = path(dir, "out");
    train(dir, &job, &["--out", &out]).ok();
    let names = || {
        let mut names: Vec<_> = (fs::read_dir(&out).unwrap())
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let whole = [
        "adapter_config.json",
        "adapter_model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names(), whole);
    let run = train(dir, &job, &["--out", &out]);
    assert_eq!(run.code, 2);
    assert!(run.out.contains("is not empty"), "{}", run.out);
    assert_eq!(names(), whole);
    // A file in the place of the folder, and a folder of something else.
    fs::write(dir.join("file"), b"x").unwrap();
    let run = train(dir, &job, &["--out", &path(dir, "file")]);
    assert!(
        run.code == 2 && run.out.contains("cannot write"),
        "{}",
        run.out
    );
}

#[test]
fn a_foreign_adapter_beside_an_unfinished_run_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let job = job(dir, &[("heldout =", "#")]);
    let out = dir.join("out");
    fs::create_dir(&out).unwrap();
    let saved = assay_job::Saved {
        run: assay_crypto::Digest::ZERO,
        leaves: vec![assay_crypto::Digest::ZERO; 2],
        fault: None,
        state: Vec::new(),
    };
    let state = saved.encode();
    fs::write(out.join("train.state"), &state).unwrap();
    for name in ["adapter_model.safetensors", "tokenizer.json"] {
        fs::write(out.join(name), b"another's").unwrap();
        let run = train(dir, &job, &["--out", &path(dir, "out")]);
        assert_eq!(run.code, 2, "{}", run.out);
        assert!(run.out.contains(name), "{}", run.out);
        assert!(
            run.out.contains("beside them lies an unfinished run"),
            "{}",
            run.out
        );
        assert_eq!(fs::read(out.join(name)).unwrap(), b"another's");
        assert_eq!(fs::read(out.join("train.state")).unwrap(), state);
        fs::remove_file(out.join(name)).unwrap();
    }
    // Without them the state itself is looked at.
    let run = train(dir, &job, &["--out", &path(dir, "out")]);
    assert_eq!(run.code, 1, "{}", run.out);
    assert!(run.out.contains("another job, seed"), "{}", run.out);
}

#[test]
fn settings_that_do_not_suit_the_model_are_told_with_its_layers() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let job = job(dir, &[("r = 8", "r = 8\nlayers_to_transform = [0, -1]")]);
    let text = refused(dir, &job, 2);
    assert!(
        text.contains("adapter: layers_to_transform: layer -1"),
        "{text}"
    );
    assert!(text.contains("4 layers, 0 to 3"), "{text}");
}

fn saved_steps(out: &Path) -> u64 {
    let bytes = fs::read(out.join("train.state")).unwrap_or_default();
    if bytes.is_empty() {
        return 0;
    }
    // The file is replaced whole, so it is never half there.
    assay_job::Saved::decode(&bytes).unwrap().leaves.len() as u64 - 1
}

#[test]
fn a_killed_run_goes_on_from_its_last_state_and_ends_like_an_unbroken_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let held = fs::read_to_string(examples().join("dialogue/heldout.jsonl")).unwrap();
    let some: String = held.split_inclusive('\n').take(8).collect();
    fs::write(dir.join("validation.jsonl"), some).unwrap();
    let validation = format!(
        "validation = {:?}\nsequence_length = 64",
        path(dir, "validation.jsonl")
    );
    let job = job(
        dir,
        &[
            ("sequence_length = 64", &validation),
            ("r = 8", "r = 8\nlora_dropout = 0.1"),
            ("lora_alpha = 16", "lora_alpha = 12.5"),
            (
                "steps = 160",
                "steps = 90\neval_steps = 7\nload_best_model_at_end = true",
            ),
            ("learning_rate = 0.007", "learning_rate = 0.05"),
        ],
    );
    let whole = train(dir, &job, &["--out", &path(dir, "whole")]).ok();

    let out = dir.join("out");
    let words = [
        "train",
        &job,
        "--seed",
        "00",
        "--json",
        "--out",
        &path(dir, "out"),
    ];
    let mut last = 0;
    // At moments of starting, computing and saving, then after every piece of progress.
    for moment in [0, 40, 160, 350] {
        let mut process = Process::start(&words, &dir.join("process"));
        sleep(Duration::from_millis(moment));
        process.kill();
        assert!(saved_steps(&out) >= last, "progress was lost");
        last = saved_steps(&out);
    }
    for _ in 0..4 {
        let mut process = Process::start(&words, &dir.join("process"));
        let began = Instant::now();
        while saved_steps(&out) <= last && process.0.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(120), "no progress");
            sleep(Duration::from_millis(3));
        }
        // A second process keeps away from a run that goes on.
        let second = assay(dir, &words);
        if process.0.try_wait().unwrap().is_none() {
            assert!(
                second.out.contains("another process trains into"),
                "{}",
                second.out
            );
        }
        process.kill();
        last = saved_steps(&out);
    }
    assert!(last > 0, "nothing was ever saved");
    // Neither another seed nor another job takes it over.
    let other = assay(
        dir,
        &[
            "train",
            &job,
            "--seed",
            "01",
            "--json",
            "--out",
            &path(dir, "out"),
        ],
    );
    assert_eq!(other.code, 1, "{}", other.out);
    assert!(other.out.contains("another job, seed"), "{}", other.out);
    assert_eq!(saved_steps(&out), last);

    let done = assay(dir, &words).ok();
    assert_eq!(done["resumed_at"], last);
    for figure in [
        "state_digest",
        "trace_root",
        "loss_before",
        "loss_after",
        "validation_loss",
        "validation_step",
        "invalid_steps",
    ] {
        assert_eq!(done[figure], whole[figure], "{figure}");
    }
    let mut names: Vec<_> = (fs::read_dir(&out).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let [config, weights, ..] = &names[..] else {
        panic!("{names:?}");
    };
    assert_eq!(
        [config, weights],
        ["adapter_config.json", "adapter_model.safetensors"]
    );
    for name in names {
        let read = |folder: &str| fs::read(dir.join(folder).join(&name)).unwrap();
        assert_eq!(read("out"), read("whole"), "{name}");
    }
}
