//! What is said of files and records that are nearly right.

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

#[test]
fn a_whole_number_beyond_64_bits_is_refused_by_name_and_digits() {
    let long = "100000000000000000000";
    let chat = |call: &str, beside: &str| {
        let user = r#"{"role": "user", "content": "u"}"#;
        format!(
            r#"{{"messages": [{user}, {{"role": "assistant", "content": "a"{call}}}]{beside}}}"#
        )
    };
    let call = format!(r#", "tool_calls": [{{"name": "f", "arguments": {{"n": [{long}]}}}}]"#);
    let tools = format!(r#", "tools": [{{"name": "f", "maximum": {long}}}]"#);
    let text = format!(r#", "tools": "[{{\"maximum\": {long}}}]""#);
    let settings = format!(r#", "chat_template_kwargs": {{"budget": {long}}}"#);
    let turns = format!(
        r#"{{"conversations": [{{"from": "human", "value": "u"}}, {{"from": "function_call", "value": "{{\"name\": \"f\", \"arguments\": {{\"n\": {long}}}}}"}}]}}"#
    );
    for (record, field) in [
        (chat(&call, ""), "n"),
        (chat("", &tools), "maximum"),
        (chat("", &text), "maximum"),
        (chat("", &settings), "budget"),
        (turns, "n"),
    ] {
        let expected =
            format!("field {field} holds the whole number {long}, which has more than 64 bits");
        let said = told(&record, Format::JsonLines);
        assert!(
            said.starts_with("line 1: ") && said.contains(&expected),
            "{record}: {said}"
        );
        let said = told(&format!("[{record}]"), Format::Json);
        assert!(
            said.starts_with("record 1: ") && said.contains(&expected),
            "{said}"
        );
    }
    let quoted = format!("[{{\"\"name\"\": \"\"f\"\", \"\"maximum\"\": {long}}}]");
    let said = told(
        &format!("prompt,completion,tools\np,c,\"{quoted}\"\n"),
        Format::Csv,
    );
    assert!(said.contains("line 2: field maximum holds"), "{said}");
    // What is passed over, and what has a fraction, says nothing wrong.
    for beside in [
        r#", "id": 100000000000000000000"#,
        r#", "tools": [{"maximum": 6.02e23}]"#,
    ] {
        let record = chat("", beside);
        assert!(
            read(record.as_bytes(), Format::JsonLines).is_ok(),
            "{record}"
        );
    }
}

#[test]
fn a_field_that_stands_twice_in_json_within_a_text_is_refused() {
    let twice = "{\"name\": \"f\", \"arguments\": {\"a\": 1, \"a\": 2}}";
    for (fields, field) in [
        (
            json!({"prompt": "p", "completion": "c", "tools": format!("[{twice}]")}),
            "tools",
        ),
        (
            json!({"prompt": "p", "completion": "c", "documents": format!("[{twice}]")}),
            "documents",
        ),
        (
            json!({"conversations": [{"from": "human", "value": "u"}, {"from": "function_call", "value": twice}]}),
            "value",
        ),
    ] {
        let error = record(&fields).unwrap_err();
        let expected = format!("field {field} holds JSON that is not understood: ");
        assert!(error.starts_with(&expected), "{error}");
        assert!(error.contains("the field \"a\" stands twice"), "{error}");
    }
    let cell = twice.replace('"', "\"\"");
    for column in ["tools", "documents", "chat_template_kwargs"] {
        let table = format!("prompt,completion,{column}\np,c,\"[{cell}]\"\n");
        let said = told(&table, Format::Csv);
        assert!(said.contains("the field \"a\" stands twice"), "{said}");
    }
}

#[test]
fn messages_in_a_text_are_refused_and_not_learned_as_json() {
    let list = "[{\"role\": \"user\", \"content\": \"u\"}]";
    let python = "[{'content': 'u', 'role': 'user'}]";
    let older = "[ {\"from\": \"human\", \"value\": \"u\"}]";
    for text in [list, python, older] {
        for (prompt, completion, field) in [(text, "c", "prompt"), ("p", text, "completion")] {
            let error = record(&json!({"prompt": prompt, "completion": completion})).unwrap_err();
            let expected = format!("field {field} is a text that holds a list of messages");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
    let said = told(&format!("prompt,completion\n\"{python}\",c\n"), Format::Csv);
    assert!(
        said.contains("in a table as JSON with double quotes"),
        "{said}"
    );
    for text in [
        "[{\"a\": 1}]",
        "[1]",
        "Write [{\"role\": \"user\", \"content\": \"u\"}]",
    ] {
        assert!(
            record(&json!({"prompt": text, "completion": "c"})).is_ok(),
            "{text}"
        );
    }
}

#[test]
fn what_stands_beside_two_strings_is_written_or_refused() {
    for (shape, answer) in [
        (json!({"prompt": "p", "completion": "c"}), "c"),
        (json!({"instruction": "p", "output": "c"}), "c"),
        (json!({"dialogue": "p", "summary": "c"}), "c"),
    ] {
        for name in ["reasoning_content", "thinking", "reasoning"] {
            let mut fields = shape.clone();
            fields[name] = "why".into();
            let Record::Chat(chat) = record(&fields).unwrap() else {
                panic!("no conversation");
            };
            assert_eq!(chat.messages[1].text(), answer);
            assert_eq!(chat.messages[1].fields()["reasoning_content"], "why");
            fields[name] = 3.into();
            let error = record(&fields).unwrap_err();
            assert!(
                error.contains(&format!("field {name} is a number")),
                "{error}"
            );
            fields[name] = "".into();
            assert_eq!(record(&fields).unwrap(), record(&shape).unwrap());
        }
    }
    let turn = |role: &str| json!([{"role": role, "content": "u"}]);
    let lists = json!({"prompt": turn("user"), "completion": turn("assistant")});
    for (shape, name, expected) in [
        (&lists, "reasoning", "stands beside the messages"),
        (
            &json!({"messages": turn("assistant")}),
            "thinking",
            "stands beside the messages",
        ),
        (
            &json!({"text": "t"}),
            "reasoning",
            "goes with a conversation",
        ),
        (&lists, "context", "stands beside the prompt"),
        (
            &json!({"prompt": "p", "completion": "c"}),
            "input",
            "stands beside the prompt",
        ),
        (
            &json!({"prompt": "p", "completion": "c"}),
            "context",
            "stands beside the prompt",
        ),
        (
            &json!({"dialogue": "p", "summary": "c"}),
            "context",
            "stands beside the prompt",
        ),
    ] {
        let mut fields = shape.clone();
        fields[name] = "more".into();
        let error = record(&fields).unwrap_err();
        assert!(
            error.starts_with(&format!("field {name} {expected}")),
            "{error}"
        );
    }
    let dolly = json!({"instruction": "p", "context": "x", "output": "c"});
    assert_eq!(record(&dolly).unwrap(), Record::pair("p\n\nx", "c"));
    let mut both = dolly;
    both["input"] = "x".into();
    assert_eq!(record(&both).unwrap(), Record::pair("p\n\nx", "c"));
    both["input"] = "y".into();
    assert!(record(&both).unwrap_err().contains("says other than input"));
}

#[test]
fn a_line_for_excel_before_a_table_is_told() {
    for (line, format) in [
        ("sep=,", Format::Csv),
        ("sep=;", Format::Csv),
        ("SEP=\t", Format::Tsv),
    ] {
        let said = told(&format!("{line}\nprompt,completion\na,b\n"), format);
        assert!(
            said.starts_with("the first line begins with sep="),
            "{said}"
        );
    }
}
