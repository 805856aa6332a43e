//! What is said of files and records that are nearly right.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use assay_data::{Format, Record, Tokenizer, canonical, from_json, read};
use serde_json::{Value, json};

fn record(fields: &Value) -> Result<Record, String> {
    Record::from_json(fields.as_object().unwrap()).map_err(|e| e.to_string())
}

fn told(text: &str, format: Format) -> String {
    let bytes = match canonical(text.as_bytes().to_vec(), format) {
        Ok(bytes) => bytes,
        Err(error) => return error.to_string(),
    };
    let error = read(&bytes, Format::of_bytes(&bytes)).unwrap_err();
    error.to_string()
}

fn turn(message: Value) -> Result<Record, String> {
    record(&json!({"messages": [{"role": "user", "content": "u"}, message]}))
}

#[test]
fn an_empty_field_of_reasoning_gives_way_to_a_filled_one() {
    for (first, second) in [
        ("reasoning_content", "reasoning"),
        ("reasoning", "thinking"),
        ("thinking", "reasoning_content"),
    ] {
        let mut message = json!({"role": "assistant", "content": "a"});
        message[first] = "".into();
        message[second] = "because".into();
        let Record::Chat(chat) = turn(message.clone()).unwrap() else {
            panic!("no conversation");
        };
        let fields = chat.messages[1].fields();
        assert_eq!(fields["reasoning_content"], "because", "{first} {second}");
        assert_eq!(fields["thinking"], "because", "{first} {second}");
        assert_eq!(fields[first], "because", "{first} {second}");
        message[first] = "because".into();
        assert!(turn(message.clone()).is_ok());
        message[first] = "otherwise".into();
        let error = turn(message).unwrap_err();
        assert!(
            error.contains("message 2 has two of reasoning_content"),
            "{error}"
        );
    }
}

#[test]
fn two_fields_of_a_sharegpt_turn_that_differ_are_refused_by_name() {
    let call = r#"{"name": "f", "arguments": {}}"#;
    let with = |mut turn: Value, name: &str, value: Value| {
        turn[name] = value;
        record(&json!({"conversations": [turn, {"from": "gpt", "value": "b"}]}))
    };
    let human = json!({"from": "human", "value": "a"});
    let calls = json!({"from": "function_call", "value": call});
    for (turn, name, value, expected) in [
        (
            &human,
            "content",
            json!("b"),
            "message 1 has value and content",
        ),
        (
            &human,
            "content",
            json!(["b"]),
            "message 1 has value and content",
        ),
        (
            &human,
            "role",
            json!("system"),
            "message 1 has from and role",
        ),
        (&human, "role", json!(3), "message 1 has from and role"),
        (
            &calls,
            "tool_calls",
            json!([{"name": "g"}]),
            "message 1 has a call in value",
        ),
    ] {
        let error = with(turn.clone(), name, value).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let plain = with(human.clone(), "id", Value::Null).unwrap();
    for (name, value) in [
        ("content", json!("a")),
        ("role", json!("user")),
        ("content", Value::Null),
    ] {
        assert_eq!(with(human.clone(), name, value).unwrap(), plain, "{name}");
    }
    assert!(with(calls, "tool_calls", json!([])).is_ok());
}

#[test]
fn characters_that_nobody_sees_are_named() {
    let record = "{\"text\": \"a\"}";
    let lines = |mark: &str| format!("{record}\n{mark}{record}\n");
    for (text, format, expected) in [
        (
            lines("\u{feff}"),
            Format::JsonLines,
            "line 2: not a JSON object (column 1: ",
        ),
        (
            lines("\u{feff}"),
            Format::JsonLines,
            "here is U+FEFF, a byte order mark",
        ),
        (
            lines("\u{feff}"),
            Format::JsonLines,
            "at <here><U+FEFF>{\"text\"",
        ),
        (
            format!("{record}\u{2028}{record}"),
            Format::JsonLines,
            "U+2028, a line separator",
        ),
        (
            format!("{record}\n\u{1a}"),
            Format::JsonLines,
            "line 2: not a JSON object (column 1: ",
        ),
        (
            format!("{record}\n\u{1a}"),
            Format::JsonLines,
            "U+001A, Ctrl-Z, which ended files in DOS",
        ),
        (format!("[{record}]\u{1a}"), Format::Json, "U+001A, Ctrl-Z"),
        (
            format!("[{record}]\n\u{feff}[{record}]"),
            Format::Json,
            "U+FEFF, a byte order mark",
        ),
        (
            "{\"text\":\u{a0}\"a\"}".into(),
            Format::JsonLines,
            "U+00A0, a no-break space",
        ),
        (
            format!("\u{2028}{record}"),
            Format::JsonLines,
            "U+2028, a line separator",
        ),
        (
            "{\"\u{feff}text\": \"a\"}".into(),
            Format::JsonLines,
            "(<U+FEFF>text",
        ),
        (
            "prompt,completion\na,b\n\u{1a}\n".into(),
            Format::Csv,
            "U+001A, Ctrl-Z",
        ),
    ] {
        let said = told(&text, format);
        assert!(said.contains(expected), "{said:?} lacks {expected:?}");
    }
}

fn utf16(text: &str) -> Vec<u8> {
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[test]
fn settings_in_another_encoding_or_of_another_kind_are_told() {
    let wide = utf16("{\"eos_token\": \"a\"}");
    let page = b"<!DOCTYPE html><html></html>".to_vec();
    let pointer =
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 17\n".to_vec();
    let packed = b"\x1f\x8b\x08\0\0\0\0\0".to_vec();
    let vocabulary = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "post_processor": null, "decoder": null, "pre_tokenizer": null,
        "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}});
    let vocabulary = vocabulary.to_string().into_bytes();
    for (bytes, expected) in [
        (
            wide,
            "the file is encoded in UTF-16, as PowerShell's > writes it; save it as UTF-8",
        ),
        (page, "the file is a web page (HTML)"),
        (pointer, "the file is a Git LFS pointer"),
        (packed, "the file is compressed with gzip"),
    ] {
        let fault = from_json::<Value>(&bytes).unwrap_err();
        assert!(fault.to_string().starts_with(expected), "{fault}");
        assert_eq!(fault.in_line(), fault.to_string());
        let as_vocabulary = Tokenizer::from_files(&bytes, None, None).unwrap_err();
        let as_settings = Tokenizer::from_files(&vocabulary, Some(&bytes), None).unwrap_err();
        for error in [as_vocabulary.to_string(), as_settings.to_string()] {
            assert!(error.contains(expected), "{error}");
        }
    }
    let template = utf16("{{ messages }}");
    let error = Tokenizer::from_files(&vocabulary, None, Some(&template)).unwrap_err();
    assert!(error.to_string().contains("UTF-16"), "{error}");
}

#[test]
fn records_of_json_under_the_name_of_a_table_are_told() {
    let record = "{\"prompt\": \"a, b\", \"completion\": \"c\"}";
    for (text, ending) in [
        (format!("{record}\n{record}\n"), ".jsonl"),
        (format!("\n {record}\n"), ".jsonl"),
        ("{\n  \"text\": \"a\"\n}\n".to_owned(), ".jsonl"),
        (format!("[{record},\n{record}]"), ".json"),
        (format!("[\n  {record}\n]"), ".json"),
    ] {
        for format in [Format::Csv, Format::Tsv] {
            let said = told(&text, format);
            let expected =
                format!("holds records of JSON and no table; give it an ending of {ending},");
            assert!(said.contains(&expected), "{said}");
        }
    }
    // Names of columns may have brackets.
    for table in ["[text],text\n,a\n", "{x},text\n,a\n"] {
        assert!(canonical(table.into(), Format::Csv).is_ok(), "{table}");
    }
}

#[test]
fn names_in_other_letters_are_told_with_the_name_that_is_meant() {
    let turns = json!([{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]);
    for (fields, found, meant) in [
        (json!({"Messages": turns}), "Messages", "messages"),
        (
            json!({"Prompt": "p", "completion": "c"}),
            "Prompt",
            "prompt",
        ),
        (
            json!({"Prompt": "p", "Completion": "c"}),
            "Prompt",
            "prompt",
        ),
        (json!({"TEXT": "t"}), "TEXT", "text"),
        (json!({" text": "t"}), " text", "text"),
        (
            json!({"instruction": "i", "Input": "x", "output": "o"}),
            "Input",
            "input",
        ),
        (
            json!({"messages": turns, "Tools": [{"name": "f"}]}),
            "Tools",
            "tools",
        ),
        (
            json!({"messages": turns, "System": "s"}),
            "System",
            "system",
        ),
        (
            json!({"messages": [{"Role": "user", "Content": "u"}]}),
            "Role",
            "role",
        ),
        (
            json!({"messages": [{"role": "user", "Content": "u"}]}),
            "Content",
            "content",
        ),
        (
            json!({"conversations": [{"From": "human", "value": "u"}]}),
            "From",
            "from",
        ),
    ] {
        let error = record(&fields).unwrap_err();
        let expected = format!("the field {found:?} is not read; did you mean {meant:?}?");
        assert!(error.contains(&expected), "{error}");
    }
    let table = "Prompt,Completion\na,b\n";
    assert!(told(table, Format::Csv).contains("did you mean \"prompt\"?"));
    assert!(record(&json!({"text": "t", "ID": "1", "Tools": []})).is_ok());
}
