//! What is accepted as data, and what is said about the rest.

use assay_data::{
    ChatTemplate, Conversation, DataError, FALLBACK, Format, MAX_RECORD_BYTES, Message, Record,
    Role, Setting, SpecialTokens, Tokenizer, read,
};
use proptest::prelude::*;

fn one(json: &str) -> Record {
    let mut records = read(json.as_bytes(), Format::JsonLines).unwrap();
    assert_eq!(records.len(), 1);
    records.remove(0).1
}

fn refused(data: &str, format: Format) -> String {
    read(data.as_bytes(), format).unwrap_err().to_string()
}

#[test]
fn every_kind_of_record_is_read() {
    assert_eq!(
        one(r#"{"prompt": "p", "completion": "c"}"#),
        Record::pair("p", "c")
    );
    assert_eq!(
        one(r#"{"id": "13818513", "dialogue": "A: hi\r\nB: ho", "summary": "They greet."}"#),
        Record::pair("A: hi\r\nB: ho\n\nSummary:", "They greet.")
    );
    assert_eq!(one(r#"{"text": "once"}"#), Record::Text("once".into()));
    let chat = r#"{"messages": [{"role": "system", "content": "s"},
        {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}"#;
    let messages = vec![
        Message::new(Role::System, "s"),
        Message::new(Role::User, "u"),
        Message::new(Role::Assistant, "a"),
    ];
    let whole = Record::Chat(Box::new(Conversation {
        messages: messages.clone(),
        ..Conversation::default()
    }));
    assert_eq!(one(&chat.replace('\n', " ")), whole);
    let split = r#"{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "completion": [{"role": "assistant", "content": "a"}]}"#;
    let split = one(split);
    assert_eq!(
        split,
        Record::Chat(Box::new(Conversation {
            messages,
            learn_from: 2,
            setting: Setting::default(),
        }))
    );
    let array = format!("[{}, {{\"text\": \"t\"}}]", chat.replace('\n', " "));
    assert_eq!(read(array.as_bytes(), Format::Json).unwrap().len(), 2);
    assert_eq!(Format::of_bytes(array.as_bytes()), Format::Json);
    assert_eq!(Format::of_bytes(b" {\"a\""), Format::JsonLines);
    assert_eq!(Format::of_name("a/b.JSONL").unwrap(), Format::JsonLines);
    assert_eq!(Format::of_name("data.Parquet").unwrap(), Format::Parquet);
}

#[test]
fn refusals_say_where_and_what_to_do() {
    let lines = Format::JsonLines;
    let cases = [
        ("", lines, "the data holds no records; put at least"),
        (
            "{\"text\": \"a\"}\n{\"text\": ",
            lines,
            "line 2: not a JSON object",
        ),
        ("\n\n[1]", lines, "line 3: not a JSON object"),
        (
            "{}",
            lines,
            "line 1: unknown fields (none); use messages, or conversations",
        ),
        (
            "{\"question\": 1}",
            lines,
            "line 1: unknown fields (question); use",
        ),
        (
            "{\"prompt\": 3, \"completion\": \"\"}",
            lines,
            "field prompt is a number; it must be",
        ),
        (
            "{\"prompt\": \"a\", \"completion\": \" \"}",
            lines,
            "field completion is empty; fill",
        ),
        (
            "{\"messages\": []}",
            lines,
            "line 1: field messages is empty",
        ),
        (
            "{\"messages\": [{\"role\": \"bot\", \"content\": \"x\"}]}",
            lines,
            "role \"bot\" is unknown; use system",
        ),
        (
            "{\"messages\": [{\"role\": \"user\"}]}",
            lines,
            "field content is missing",
        ),
        (
            "{\"messages\": [{\"role\": \"user\", \"content\": \"\"}]}",
            lines,
            "message 1 (user) is empty",
        ),
        (
            "{\"text\": \"a\"}",
            Format::Json,
            "the JSON file is no array of records",
        ),
        (
            "[{\"text\": \"a\"}, 7]",
            Format::Json,
            "record 2: not a JSON object",
        ),
        (" \n ", Format::Text, "the data holds no records"),
    ];
    for (data, format, expected) in cases {
        let text = refused(data, format);
        assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    }
    let many: Vec<&str> = vec!["{\"role\": \"user\", \"content\": \"x\"}"; 257];
    let text = refused(&format!("{{\"messages\": [{}]}}", many.join(",")), lines);
    assert!(text.contains("257 messages"), "{text}");
    let large = format!("{{\"text\": \"{}\"}}", "a".repeat(MAX_RECORD_BYTES));
    assert!(refused(&large, lines).contains("at most 4194304 are read"));
    let error = read(b"{\"text\": \"\xff\"}", lines).unwrap_err();
    assert!(
        matches!(error, DataError::NotUtf8 { at: 10, .. }),
        "{error}"
    );
}

fn tokens() -> SpecialTokens {
    SpecialTokens {
        bos: "<s>".into(),
        eos: "</s>".into(),
        ..SpecialTokens::default()
    }
}

fn render(source: &str, prompt: bool) -> Result<String, String> {
    let turns = [
        Message::new(Role::User, " Hi "),
        Message::new(Role::Assistant, "Ho"),
    ];
    let template = ChatTemplate::new(source, tokens()).map_err(|e| e.to_string())?;
    template
        .render(&turns, &Setting::default(), prompt)
        .map_err(|e| e.to_string())
}

#[test]
fn templates_speak_the_dialect_of_transformers() {
    assert_eq!(
        render(FALLBACK, false).unwrap(),
        "User:  Hi \nAssistant: Ho</s>\n"
    );
    assert_eq!(
        render(FALLBACK, true).unwrap(),
        "User:  Hi \nAssistant: Ho</s>\nAssistant:"
    );
    let llama = "{{ bos_token }}{% for message in messages %}\n    \
        {% if message['role'] not in ['user', 'assistant'] %}\n        \
        {{ raise_exception('no') }}\n    {% endif %}\n    \
        {{ '[' + message.role.upper() + '] ' + message['content'].strip() }}\n\
        {%- if loop.last %}{% break %}{% endif %}{% endfor %}";
    assert_eq!(
        render(llama, false).unwrap(),
        "<s>    [USER] Hi    [ASSISTANT] Ho"
    );
    assert!(
        render("{{ raise_exception('only one turn') }}", false)
            .unwrap_err()
            .contains("only one turn")
    );
    let dated = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}undated{% endif %}";
    assert_eq!(render(dated, false).unwrap(), "26 Jul 2024");
    assert!(render("{{ strftime_now('%Q') }}", false).is_err());
    assert!(
        render("{% for %}", false)
            .unwrap_err()
            .contains("does not parse")
    );
    let endless =
        "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}";
    assert!(render(endless, false).is_err());
    let wide = "x".repeat(300 << 10);
    assert!(render(&wide, false).unwrap_err().contains("at most 262144"));
}

#[test]
fn malformed_tokenizers_are_refused() {
    for bad in [
        &b""[..],
        b"{}",
        b"{\"model\": {\"type\": \"BPE\"}}",
        b"\xff\xfe",
    ] {
        let error = Tokenizer::from_files(bad, None, None).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("tokenizer.json is no tokenizer"),
            "{error}"
        );
    }
    let empty = br#"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null, "model": {"type": "BPE", "vocab": {}, "merges": []}}"#;
    let error = Tokenizer::from_files(empty, None, None).unwrap_err();
    assert!(error.to_string().contains("vocabulary is empty"), "{error}");
    let words = br#"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null, "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 7}, "unk_token": "a"}}"#;
    let good = Tokenizer::from_files(words, None, None).unwrap();
    assert_eq!(good.id_limit(), 8);
    assert!(!good.has_template());
    for config in [
        &b"{"[..],
        b"{\"chat_template\": 3}",
        b"{\"chat_template\": [{\"name\": \"x\"}]}",
    ] {
        assert!(Tokenizer::from_files(words, Some(config), None).is_err());
    }
    let named =
        br#"{"chat_template": [{"name": "default", "template": "{{ messages[0].content }}"}]}"#;
    let named = Tokenizer::from_files(words, Some(named), None).unwrap();
    let ids = named
        .encode_chat(&[Message::new(Role::User, "b a b")])
        .unwrap();
    assert_eq!(ids, [7, 0, 7]);
    let own = Tokenizer::from_files(words, None, Some(b"{{ 'b b' }}")).unwrap();
    assert_eq!(
        own.encode_chat(&[Message::new(Role::User, "a")]).unwrap(),
        [7, 7]
    );
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..3) {
        let format = [Format::JsonLines, Format::Json, Format::Text][kind as usize];
        if let Ok(records) = read(&bytes, format) {
            prop_assert!(!records.is_empty());
        }
    }

    #[test]
    fn templates_never_panic(source in "[{}%a-z .()'0-9*+|\\[\\]-]{0,80}") {
        let _ = render(&source, true);
    }
}
