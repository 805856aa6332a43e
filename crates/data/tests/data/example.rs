//! The example data set through the example model's tokenizer, against what `transformers` makes
//! of it (`crates/model/tests/fixtures/heldout.json`, written by `bench/make_fixtures.py`).

use std::path::{Path, PathBuf};

use assay_data::{
    DataError, DataSet, Format, Message, Options, Place, Problem, Record, Role, Sampler, Tokenizer,
    read,
};
use assay_kernel::IGNORE;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn file(path: &str) -> Vec<u8> {
    std::fs::read(root().join(path)).unwrap()
}

fn tokenizer() -> Tokenizer {
    let config = file("examples/glassllm/tokenizer_config.json");
    let json = file("examples/glassllm/tokenizer.json");
    Tokenizer::from_files(&json, Some(&config), None).unwrap()
}

fn heldout() -> Vec<(Place, Record)> {
    read(&file("examples/dialogue/heldout.jsonl"), Format::JsonLines).unwrap()
}

#[test]
fn counted_tokens_agree_with_transformers() {
    let expected: serde_json::Value =
        serde_json::from_slice(&file("crates/model/tests/fixtures/heldout.json")).unwrap();
    let (records, tokenizer) = (heldout(), tokenizer());
    assert_eq!(records.len() as u64, expected["records"]);
    for (completion_only, name) in [(true, "completions"), (false, "all_tokens")] {
        let options = Options {
            completion_only,
            ..Options::new(64)
        };
        let set = DataSet::build(&records, &tokenizer, &options).unwrap();
        assert_eq!(set.rows(), records.len());
        assert_eq!(set.counted() as u64, expected[name]["tokens"]);
        let batches = set.batches(8);
        let counted: usize = (0..batches).map(|i| set.batch(i, 8).counted()).sum();
        assert_eq!(counted, set.counted());
    }
}

#[test]
fn a_row_is_the_template_and_its_labels_are_shifted() {
    let tokenizer = tokenizer();
    let records = [(Place::Line(1), Record::pair("How are you?", "I am well."))];
    let options = Options {
        completion_only: true,
        ..Options::new(32)
    };
    let set = DataSet::build(&records, &tokenizer, &options).unwrap();
    let batch = set.batch(0, 1);
    let text = "Q: How are you?\nA: I am well.\n";
    let ids = tokenizer.encode(text, false).unwrap().ids;
    assert_eq!(batch.ids[..ids.len()], ids);
    assert!(
        batch.ids[ids.len()..]
            .iter()
            .all(|id| *id == tokenizer.pad())
    );
    let learnt: Vec<u32> = (batch.labels.iter())
        .filter(|label| **label != IGNORE)
        .map(|label| *label as u32)
        .collect();
    assert_eq!(tokenizer.decode(&learnt, false).unwrap(), " I am well.\n");
    for (t, label) in batch.labels.iter().enumerate() {
        assert!(*label == IGNORE || *label as u32 == batch.ids[t + 1]);
    }
    let asked = [Message::new(Role::User, "How are you?")];
    let prompt = tokenizer.encode_chat(&asked).unwrap();
    assert_eq!(prompt, ids[..prompt.len()]);
}

#[test]
fn records_never_share_a_row() {
    let (records, tokenizer) = (heldout(), tokenizer());
    let set = DataSet::build(&records, &tokenizer, &Options::new(64)).unwrap();
    assert_eq!(set.rows(), records.len());
    for (i, (_, record)) in records.iter().enumerate() {
        let ids = assay_data::encode(record, &tokenizer, false).unwrap().ids;
        let row = set.batch(i, 1).ids;
        assert_eq!(row[..ids.len()], ids);
        assert!(row[ids.len()..].iter().all(|id| *id == tokenizer.pad()));
    }
}

#[test]
fn ids_beyond_the_embedding_are_refused_where_a_record_uses_them() {
    let tokenizer = tokenizer();
    let ids = |text: &str| tokenizer.encode(text, false).unwrap().ids;
    let record = |answer: &str| (Place::Line(3), Record::pair("Yes?", answer));
    let low = record("a");
    let highest = ids("Q: Yes?\nA: a\n").into_iter().max().unwrap();
    let options = Options {
        vocab_size: highest as usize + 1,
        ..Options::new(64)
    };
    assert!(tokenizer.id_limit() as usize > options.vocab_size);
    let set = DataSet::build(std::slice::from_ref(&low), &tokenizer, &options).unwrap();
    let batch = set.batch(0, 2);
    assert!(batch.ids.iter().all(|id| *id <= highest), "padding too");
    let high = (0..tokenizer.id_limit()).rev().find_map(|id| {
        let text = tokenizer.decode(&[id], true).ok()?;
        let alone = text.trim().len() > 3 && ids(&format!("Q: Yes?\nA: {text}\n")).contains(&id);
        alone.then_some((id, text))
    });
    let (id, text) = high.unwrap();
    let told = DataSet::build(&[low, record(&text)], &tokenizer, &options).unwrap_err();
    let told = told.to_string();
    assert!(
        told.starts_with("line 3: the record holds the token"),
        "{told}"
    );
    assert!(told.contains(&format!("(id {id})")), "{told}");
    assert!(told.contains(&format!("ends at id {highest}")), "{told}");
}

#[test]
fn text_is_cut_into_rows_and_never_too_long() {
    let text = "It was the best of times, it was the worst of times. ".repeat(20);
    let records = read(text.as_bytes(), Format::Text).unwrap();
    let set = DataSet::build(&records, &tokenizer(), &Options::new(16)).unwrap();
    assert!(set.rows() > 10);
    let only = Options {
        completion_only: true,
        ..Options::new(16)
    };
    let error = DataSet::build(&records, &tokenizer(), &only).unwrap_err();
    assert!(error.to_string().contains("set completion_only = false"));
}

#[test]
fn the_order_is_a_permutation_of_each_epoch_and_any_step_can_be_asked_for() {
    let set = DataSet::build(&heldout(), &tokenizer(), &Options::new(64)).unwrap();
    let rows: Vec<Vec<u32>> = (0..set.rows()).map(|i| set.batch(i, 1).ids).collect();
    let mut sampler = Sampler::new(&set, [7; 32], 1);
    for epoch in 0..2 {
        let mut seen: Vec<Vec<u32>> = (0..rows.len())
            .map(|i| sampler.batch((epoch * rows.len() + i) as u64).ids)
            .collect();
        assert_ne!(seen, rows);
        seen.sort();
        let mut sorted = rows.clone();
        sorted.sort();
        assert_eq!(seen, sorted);
    }
    let eights: Vec<_> = {
        let mut sampler = Sampler::new(&set, [7; 32], 8);
        (0..60).map(|step| sampler.batch(step)).collect()
    };
    for step in [59, 3, 30, 0, 23] {
        let again = Sampler::new(&set, [7; 32], 8).batch(step as u64);
        assert_eq!(again, eights[step]);
        assert_ne!(again, Sampler::new(&set, [8; 32], 8).batch(step as u64));
    }
    let last = Sampler::new(&set, [7; 32], 8).batch(u64::MAX);
    assert!(last.counted() > 0);
}

#[test]
fn length_errors_name_the_record_and_the_remedy() {
    let tokenizer = tokenizer();
    let long = format!(
        r#"{{"prompt": "x", "completion": "{}"}}"#,
        "word ".repeat(100)
    );
    let data = format!("{{\"prompt\": \"a\", \"completion\": \"b\"}}\n\n{long}\n");
    let records = read(data.as_bytes(), Format::JsonLines).unwrap();
    let mut options = Options {
        completion_only: true,
        ..Options::new(64)
    };
    let error = DataSet::build(&records, &tokenizer, &options).unwrap_err();
    let DataError::Record {
        place: Place::Line(3),
        problem: Problem::TooLong { limit: 64, .. },
    } = error
    else {
        panic!("{error}");
    };
    assert!(error.to_string().contains("set truncation = true"));
    options.truncation = true;
    assert_eq!(
        DataSet::build(&records, &tokenizer, &options)
            .unwrap()
            .rows(),
        2
    );
    options.sequence_length = 4;
    let error = DataSet::build(&records, &tokenizer, &options).unwrap_err();
    assert!(error.to_string().starts_with("line "), "{error}");
    options.sequence_length = 1;
    let error = DataSet::build(&records, &tokenizer, &options).unwrap_err();
    assert!(matches!(error, DataError::BadSequenceLength(1)));
}
