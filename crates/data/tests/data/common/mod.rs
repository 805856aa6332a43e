//! What tests of conversations share: a tokenizer with one token for each character
//! that is not part of a special token.

use assay_data::{Record, Tokenizer, encode};
use serde_json::{Value, json};

/// A tokenizer whose tokens are single characters, with this chat template.
pub(crate) fn characters(template: &str) -> Tokenizer {
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "post_processor": null, "decoder": null,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(?s)."}, "behavior": "Isolated",
            "invert": false},
        "model": {"type": "WordLevel", "vocab": {"[U]": 0, "<s>": 1, "</s>": 2}, "unk_token": "[U]"},
    });
    let config = json!({"bos_token": "<s>", "eos_token": "</s>", "chat_template": template});
    let (file, config) = (file.to_string(), config.to_string());
    Tokenizer::from_files(file.as_bytes(), Some(config.as_bytes()), None).unwrap()
}

/// The record a JSON object describes.
pub(crate) fn record(fields: &Value) -> Result<Record, String> {
    Record::from_json(fields.as_object().unwrap()).map_err(|e| e.to_string())
}

/// The whole text of a record, and the parts of it that are learned.
pub(crate) fn learned(template: &str, fields: &Value) -> Result<(String, Vec<String>), String> {
    let record = record(fields)?;
    let tokenizer = characters(template);
    let Record::Chat(chat) = &record else {
        panic!("{record:?} is no conversation");
    };
    let text = tokenizer
        .template()
        .render(&chat.messages, &chat.setting, false);
    let text = text.map_err(|e| e.to_string())?;
    let found = encode(&record, &tokenizer, true).map_err(|e| e.to_string())?;
    let tokens = tokenizer.encode(&text, false).map_err(|e| e.to_string())?;
    assert_eq!(found.counts.len(), tokens.spans.len());
    let mut parts = Vec::new();
    let mut last = false;
    for (span, counts) in tokens.spans.iter().zip(found.counts) {
        if counts && !last {
            parts.push(String::new());
        }
        if counts && let Some(part) = parts.last_mut() {
            part.push_str(&text[span.clone()]);
        }
        last = counts;
    }
    Ok((text, parts))
}
