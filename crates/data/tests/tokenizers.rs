//! Kinds of tokenizers that people have: whatever they do to spaces and unknown letters, what counts is
//! the answer.
#![allow(clippy::unwrap_used)] // helpers of tests

use assay_data::{Format, Record, Tokenizer, encode, read};
use serde_json::{Value, json};

/// Letters as pieces, bytes for all others, spaces as U+2581.
fn pieces(normalizer: Value, pre_tokenizer: Value, decoder: Value) -> Tokenizer {
    let mut vocab = serde_json::Map::new();
    let letters = "\u{2581}abcdefghijklmnopqrstuvwxyzUA:.,\n"
        .chars()
        .map(String::from);
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let special = ["<unk>", "<s>", "</s>"].map(String::from);
    for piece in special.into_iter().chain(bytes).chain(letters) {
        let id = vocab.len();
        vocab.insert(piece, id.into());
    }
    let added = ["<unk>", "<s>", "</s>"]
        .iter()
        .enumerate()
        .map(|(id, content)| {
            json!({"id": id, "content": content, "special": true, "single_word": false,
               "lstrip": false, "rstrip": false, "normalized": false})
        });
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added.collect::<Vec<_>>(), "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": decoder,
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "fuse_unk": true,
                  "continuing_subword_prefix": null, "end_of_word_suffix": null,
                  "byte_fallback": true, "vocab": vocab, "merges": []},
    });
    let config = json!({"eos_token": "</s>", "bos_token": "<s>", "pad_token": "</s>"});
    let (file, config) = (file.to_string(), config.to_string());
    Tokenizer::from_files(file.as_bytes(), Some(config.as_bytes()), None).unwrap()
}

fn kinds() -> Vec<(&'static str, Tokenizer)> {
    let spaces = json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"});
    let prepend = json!({"type": "Prepend", "prepend": "\u{2581}"});
    let decoder = json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"},
    ]});
    let metaspace = |scheme: &str, split: bool| json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": scheme, "split": split});
    let both = json!({"type": "Sequence", "normalizers": [prepend, spaces]});
    vec![
        ("Llama 2", pieces(both, Value::Null, decoder.clone())),
        ("no prefix", pieces(spaces, Value::Null, decoder.clone())),
        (
            "Metaspace always",
            pieces(Value::Null, metaspace("always", true), decoder.clone()),
        ),
        (
            "Metaspace first",
            pieces(Value::Null, metaspace("first", false), decoder.clone()),
        ),
        (
            "Metaspace never",
            pieces(Value::Null, metaspace("never", true), decoder),
        ),
    ]
}

#[test]
fn what_counts_is_the_answer_and_its_end() {
    for (kind, tokenizer) in kinds() {
        for answer in [
            "an answer.",
            "caf\u{e9}",
            "\u{4f60}\u{597d}, \u{1f600}",
            "two  spaces",
            "a\n\nb",
            "e\u{301}",
        ] {
            let line = json!({"prompt": "a question", "completion": answer}).to_string();
            let records = read(line.as_bytes(), Format::JsonLines).unwrap();
            let record = &records[0].1;
            let row = encode(record, &tokenizer, true).unwrap();
            let counted = row
                .ids
                .iter()
                .zip(&row.counts)
                .filter(|(_, counts)| **counts);
            let ids: Vec<u32> = counted.map(|(id, _)| *id).collect();
            let text = tokenizer.decode(&ids, false).unwrap();
            assert_eq!(text, format!(" {answer}</s>\n"), "{kind}");
            // Padding is the same token, and takes nothing from the end of an answer.
            assert_eq!(Some(tokenizer.pad()), tokenizer.eos(), "{kind}");
        }
    }
}

#[test]
fn running_text_comes_back_with_one_end() {
    for (kind, tokenizer) in kinds() {
        for text in ["one two", "one two</s>", "caf\u{e9} \u{1f600}"] {
            let row = encode(&Record::Text(text.into()), &tokenizer, false).unwrap();
            let ends = row.ids.iter().filter(|id| Some(**id) == tokenizer.eos());
            assert_eq!(ends.count(), 1, "{kind}: {text:?}");
            assert_eq!(row.ids.last().copied(), tokenizer.eos(), "{kind}: {text:?}");
            let back = tokenizer.decode(&row.ids, true).unwrap();
            assert_eq!(back.trim_start(), text.trim_end_matches("</s>"), "{kind}");
        }
    }
}
