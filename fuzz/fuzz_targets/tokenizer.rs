//! Tokenizer files: what loads gives ids below its limit and spans inside the text.
//!
//! The library that reads them panics on some; `assay-data` turns that into an error, so here a
//! panic that is caught is none. One that is not still ends the run.
#![no_main]

use std::collections::BTreeMap;

use assay_data::Tokenizer;
use assay_fuzz::parts::{Parts, part};
use assay_fuzz::samples::model::{BYTES, TOKENIZER, TOKENIZER_CONFIG};
use libfuzzer_sys::fuzz_target;

/// The files that are read, in the order of an input's parts.
const NAMES: [&str; 9] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "config.json",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/tool_use.jinja",
];

fn seeds() -> Vec<Vec<u8>> {
    let beside: [&[u8]; 7] = [
        br#"{"bos_token": {"content": "User"}, "eos_token": "</s>"}"#,
        br#"{"<tool>": 4}"#,
        br#"{"eos_token_id": [3, 2], "pad_token_id": 0}"#,
        br#"{"eos_token_id": 3, "bos_token_id": null}"#,
        b"{% for m in messages %}{{ m.content }}</s>{% endfor %}",
        br#"{"chat_template": "{{ messages }}"}"#,
        b"{{ tools }}",
    ];
    let full = |file: &str, config: &str, more: &[&[u8]]| {
        let mut seed = part(file.as_bytes());
        seed.extend(part(config.as_bytes()));
        for i in 0..NAMES.len() - 2 {
            seed.extend(part(more.get(i).copied().unwrap_or_default()));
        }
        seed.extend(b"User: ab abba");
        seed
    };
    vec![
        full(TOKENIZER, TOKENIZER_CONFIG, &[]),
        full(TOKENIZER, "", &beside),
        full(TOKENIZER, TOKENIZER_CONFIG, &beside[2..4]),
        full(BYTES, r#"{"chat_template": [{"name": "default", "template": "{{ 1 }}"}]}"#, &[]),
    ]
}

fn start() {
    assay_fuzz::plant(seeds());
    // libFuzzer's hook aborts on every panic, caught or not.
    std::panic::set_hook(Box::new(|_| {}));
}

fuzz_target!(init: start(), |data: &[u8]| {
    let mut parts = Parts::new(data);
    let mut files = BTreeMap::new();
    for name in NAMES {
        let content = parts.part();
        if !content.is_empty() {
            files.insert(name.to_owned(), content.to_vec());
        }
    }
    let text = parts.rest();
    let Ok(tokenizer) = Tokenizer::from_model_files(&files) else {
        return;
    };
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    if let Ok(encoding) = tokenizer.encode(text, true) {
        assert_eq!(encoding.ids.len(), encoding.spans.len());
        assert!(encoding.ids.iter().all(|id| *id < tokenizer.id_limit()), "an id over the limit");
        let _ = tokenizer.decode(&encoding.ids, true);
    }
    assert!(tokenizer.notes().iter().all(|note| note.len() < 4_000));
});
