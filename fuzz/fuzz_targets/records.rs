//! Data sets: records written down read as the same records, and rows stay within bounds.
//! The first byte picks format and options.
#![no_main]

use std::sync::OnceLock;

use assay_data::{DataSet, Format, Message, Options, Record, Tokenizer, read};
use assay_fuzz::samples::model::{TOKENIZER, TOKENIZER_CONFIG};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fn seeds() -> Vec<Vec<u8>> {
    let lines = concat!(
        "{\"prompt\": \"a\", \"completion\": \"b\"}\n\n",
        "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, ",
        "{\"role\": \"user\", \"content\": \"u\"}, {\"role\": \"assistant\", \"content\": \"a\"}]}\n",
        "{\"prompt\": [{\"role\": \"user\", \"content\": \"u\"}], ",
        "\"completion\": [{\"role\": \"assistant\", \"content\": \"a\"}]}\r\n",
        "{\"dialogue\": \"d\", \"summary\": \"s\", \"id\": 3}\n{\"text\": \"running\"}\n",
        "{\"conversations\": [{\"from\": \"human\", \"value\": \"h\"}, {\"from\": \"gpt\", ",
        "\"value\": \"g\", \"weight\": 1}], \"tools\": \"[{}]\", \"system\": \"s\"}\n",
        "{\"instruction\": \"i\", \"input\": \"\", \"output\": \"o\"}\n",
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"p\"}]}, ",
        "{\"role\": \"assistant\", \"content\": null, \"reasoning\": \"r\", \"tool_calls\": ",
        "[{\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}]}], \"documents\": [{\"a\": 1.5}]}\n"
    );
    let array = r#"[{"text": "one two"}, {"prompt": "a", "completion": "b \u0041"}]"#;
    let contents = [lines, array, "\u{feff}plain text of several words"];
    let mut seeds = Vec::new();
    for options in [0u8, 4, 8, 16, 28] {
        for (format, text) in contents.iter().enumerate() {
            seeds.push([&[format as u8 | options][..], text.as_bytes()].concat());
        }
    }
    seeds
}

fn tokenizer() -> &'static Tokenizer {
    static TOKENS: OnceLock<Tokenizer> = OnceLock::new();
    TOKENS.get_or_init(|| {
        let config = Some(TOKENIZER_CONFIG.as_bytes());
        Tokenizer::from_files(TOKENIZER.as_bytes(), config, None).expect("a good tokenizer")
    })
}

fn written(record: &Record) -> Value {
    let turn = |message: &Message| {
        let mut fields = message.fields().clone();
        if let Some(learned) = message.learned() {
            fields.insert("train".into(), learned.into());
        }
        Value::Object(fields)
    };
    let turns = |messages: &[Message]| -> Value { messages.iter().map(turn).collect() };
    let chat = match record {
        Record::Text(text) => return json!({"text": text}),
        Record::Chat(chat) => chat,
    };
    let mut fields = match chat.learn_from {
        0 => json!({"messages": turns(&chat.messages)}),
        learn_from => {
            let (prompt, completion) = chat.messages.split_at(learn_from);
            json!({"prompt": turns(prompt), "completion": turns(completion)})
        }
    };
    let setting = &chat.setting;
    for (name, value) in [("tools", &setting.tools), ("documents", &setting.documents)] {
        if let Some(value) = value {
            fields[name] = value.clone();
        }
    }
    if !setting.values.is_empty() {
        fields["chat_template_kwargs"] = Value::Object(setting.values.clone());
    }
    fields
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let format = match choice % 4 {
        0 => Format::JsonLines,
        1 => Format::Json,
        2 => Format::Text,
        _ => Format::of_bytes(bytes),
    };
    let Ok(records) = read(bytes, format) else {
        return;
    };
    assert!(!records.is_empty());
    let values: Vec<Value> = records.iter().map(|(_, record)| written(record)).collect();
    let only = |found: Vec<(assay_data::Place, Record)>| -> Vec<Record> {
        found.into_iter().map(|(_, record)| record).collect()
    };
    let array = Value::from(values.clone()).to_string();
    let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
    let array = only(read(array.as_bytes(), Format::Json).expect("written down, it reads"));
    let lines = only(read(lines.as_bytes(), Format::JsonLines).expect("written down, it reads"));
    assert_eq!(array, lines);

    let options = Options {
        sequence_length: 2 + usize::from(choice >> 5),
        completion_only: choice & 4 != 0,
        truncation: choice & 16 != 0,
        vocab_size: if choice & 8 != 0 { 3 } else { usize::MAX },
    };
    if let Ok(set) = DataSet::build(&records, tokenizer(), &options) {
        assert!(set.rows() > 0 && set.counted() > 0);
        let batches = (0..set.batches(3)).map(|index| set.batch(index, 3));
        let counted: usize = batches
            .inspect(|batch| {
                assert_eq!(batch.ids.len(), 3 * options.sequence_length);
                assert!(batch.ids.iter().all(|id| *id < tokenizer().id_limit()));
            })
            .map(|batch| batch.counted())
            .sum();
        assert_eq!(counted, set.counted());
    }
    assert_eq!(only(records), array);
});
