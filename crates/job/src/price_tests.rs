use std::path::Path;

use assay_crypto::Digest;
use assay_proof::{Handle, ProgramError, Programs, Task};

use super::*;
use crate::inputs::{MODEL, by_name};
use crate::{Job, Limited, Local, kind};

fn job(changes: &[(&str, &str)]) -> Job {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut text = std::fs::read_to_string(folder.join("finetune.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from}");
        text = text.replacen(from, to, 1);
    }
    crate::read(&text, &folder).unwrap()
}

fn local(job: &Job) -> Local {
    Local::new(job, Digest::ZERO).unwrap()
}

fn price(job: &Job) -> Price {
    let local = local(job);
    let model = job.kind.model(&local.inputs).unwrap();
    let sizes = Sizes::of(&local.inputs).unwrap();
    (job.kind)
        .price(&job.specification, model.as_ref(), &sizes)
        .unwrap()
}

fn refused(task: &Task, memory: u64) -> ProgramError {
    let built = Limited { memory }.build(task);
    built.err().expect("a program was built")
}

#[test]
fn the_example_takes_little_and_a_huge_batch_is_priced() {
    let example = price(&job(&[]));
    assert!(example.total() < 256 << 20, "{example}");
    let huge = job(&[
        ("batch_size = 8", "batch_size = 4096"),
        ("sequence_length = 64", "sequence_length = 128"),
    ]);
    let told = price(&huge);
    assert!(told.step > 12 << 30, "{told}");
    let error = refused(&local(&huge).task, 12 << 30);
    let ProgramError::TooLarge(text) = error else {
        panic!("{error}");
    };
    assert!(text.contains("GiB for a step"), "{text}");
    assert!(text.contains("this machine gives 12.0 GiB"), "{text}");
}

#[test]
fn accumulation_and_checkpointing_make_the_same_batch_cheaper() {
    let whole = price(&job(&[("batch_size = 8", "batch_size = 64")]));
    let parts = price(&job(&[(
        "batch_size = 8",
        "batch_size = 8\ngradient_accumulation_steps = 8",
    )]));
    let again = price(&job(&[(
        "batch_size = 8",
        "batch_size = 64\ngradient_checkpointing = true",
    )]));
    assert!(parts.step < whole.step / 3, "{parts}\n{whole}");
    assert!(again.step < whole.step, "{again}\n{whole}");
}

#[test]
fn just_enough_memory_is_enough() {
    let job = job(&[]);
    let (task, total) = (local(&job).task, price(&job).total());
    assert!(Limited { memory: total }.build(&task).is_ok());
    assert!(matches!(
        refused(&task, total - 1),
        ProgramError::TooLarge(_)
    ));
}

/// Whoever says too little of it has an order that every machine refuses, however large it is; those who
/// offer as much as the order says are never asked for more.
#[test]
fn a_run_takes_no_more_than_its_order_says() {
    let job = job(&[]);
    let (mut task, takes) = (local(&job).task, price(&job).anywhere);
    task.memory = takes;
    assert!(Limited { memory: 1 << 40 }.build(&task).is_ok());
    task.memory -= 1;
    for memory in [takes - 1, 1 << 40] {
        let ProgramError::Refused(text) = refused(&task, memory) else {
            panic!("{memory} bytes decide whether it is refused");
        };
        assert!(text.contains("the order says"), "{text}");
    }
    let built = crate::Registry.build(&task);
    assert!(matches!(built, Err(ProgramError::Refused(_))));
}

#[test]
fn an_evaluation_is_priced_by_its_batch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let text = std::fs::read_to_string(folder.join("evaluate.toml")).unwrap();
    let small = crate::read(&text, &folder).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("batch_size"))
        .unwrap();
    let large = crate::read(&text.replace(line, "batch_size = 1024"), &folder).unwrap();
    let (small, large) = (price(&small), price(&large));
    assert!(large.step > 20 * small.step, "{small}\n{large}");
}

/// A task whose model is an archive with this `config.json` and nothing else.
fn bare_model(config: &str) -> Task {
    let mut task = local(&job(&[])).task;
    let files = [("config.json".to_owned(), config.as_bytes().to_vec())];
    let archive = assay_vault::bundle::pack(&files.into()).unwrap();
    let model = task.inputs.iter_mut().find(|i| i.name == MODEL).unwrap();
    model.handle = Handle::in_memory(archive);
    let told = kind(&task.kind).unwrap().model(&by_name(&task));
    let told = told.ok().flatten();
    task.model = told.map_or_else(Vec::new, |shape| shape.to_bytes().to_vec());
    task
}

#[test]
fn a_model_of_absurd_shape_is_refused_by_its_config_alone() {
    let task = bare_model(
        r#"{"model_type": "llama", "vocab_size": 1048576, "hidden_size": 65536,
        "intermediate_size": 1048576, "num_hidden_layers": 1024, "num_attention_heads": 512,
        "max_position_embeddings": 8192}"#,
    );
    let ProgramError::TooLarge(text) = refused(&task, 1 << 40) else {
        panic!("it was not refused by its size");
    };
    assert!(text.contains("TiB"), "{text}");
}

#[test]
fn what_is_no_model_is_refused_as_before() {
    for config in ["{}", "not json", r#"{"model_type": "llama"}"#] {
        assert!(matches!(
            refused(&bare_model(config), 1 << 40),
            ProgramError::Refused(_)
        ));
    }
    let mut task = local(&job(&[])).task;
    task.inputs[0].handle = Handle::in_memory(vec![7; 3_000]);
    assert!(matches!(refused(&task, 1 << 40), ProgramError::Refused(_)));
    task.spec = b"{}".to_vec();
    assert!(matches!(refused(&task, 1 << 40), ProgramError::Refused(_)));
    task.kind = "unheard of".to_owned();
    assert!(matches!(refused(&task, 1 << 40), ProgramError::Refused(_)));
}

#[test]
fn bytes_are_told_as_people_read_them() {
    for (bytes, text) in [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_536, "1.5 KiB"),
        (12 << 30, "12.0 GiB"),
        (u64::MAX, "16384.0 PiB"),
    ] {
        assert_eq!(Bytes(bytes).to_string(), text);
    }
}
