//! `tokenizer.json` and `tokenizer_config.json` from the metadata.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::{Value, json};

use super::error::{GgufError, shown};
use super::json::{Sorted, pretty};
use super::metadata::{Keys, needed};

const MODEL: &str = "tokenizer.ggml.model";
const TOKENS: &str = "tokenizer.ggml.tokens";
const KINDS: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const PRE: &str = "tokenizer.ggml.pre";
const TEMPLATE: &str = "tokenizer.chat_template";

/// Most tokens; as many rows as an embedding may have.
const MAX_TOKENS: usize = 1 << 20;

/// `tokenizer.json` in the order of its fields.
#[derive(Serialize)]
struct File<'a> {
    version: &'static str,
    truncation: (),
    padding: (),
    added_tokens: Vec<Added<'a>>,
    normalizer: (),
    pre_tokenizer: Sorted,
    post_processor: Sorted,
    decoder: Sorted,
    model: Bpe<'a>,
}

#[derive(Serialize)]
struct Added<'a> {
    id: u32,
    content: &'a str,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

#[derive(Serialize)]
struct Bpe<'a> {
    r#type: &'static str,
    dropout: (),
    unk_token: (),
    continuing_subword_prefix: (),
    end_of_word_suffix: (),
    fuse_unk: bool,
    byte_fallback: bool,
    ignore_merges: bool,
    #[serde(serialize_with = "in_order")]
    vocab: Vec<(&'a str, u32)>,
    merges: Vec<[&'a str; 2]>,
}

/// A map in the order given, here of ids.
fn in_order<S: Serializer>(pairs: &[(&str, u32)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().copied())
}

/// What a token is, as llama.cpp numbers it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Special,
    Added,
    Unused,
}

impl Kind {
    fn of(number: i64) -> Option<Self> {
        match number {
            1 | 6 => Some(Self::Plain),
            2 | 3 => Some(Self::Special),
            4 => Some(Self::Added),
            5 => Some(Self::Unused),
            _ => None,
        }
    }
}

/// `tokenizer.json` and `tokenizer_config.json` of a byte-level BPE tokenizer.
///
/// # Errors
/// When the tokenizer is of another kind, its splitting rule is unknown, or its lists contradict
/// each other.
pub(super) fn files(keys: &Keys, context: usize) -> Result<(Vec<u8>, Vec<u8>), GgufError> {
    let model = needed(MODEL, keys.text(MODEL)?)?;
    if model != "gpt2" {
        return Err(GgufError::metadata(
            MODEL,
            format!("is {:?}; byte-level BPE (gpt2) is rebuilt", shown(model)),
        ));
    }
    let tokens = needed(TOKENS, keys.texts(TOKENS)?)?;
    if tokens.is_empty() || tokens.len() > MAX_TOKENS {
        let problem = format!("has {} entries; up to {MAX_TOKENS} are read", tokens.len());
        return Err(GgufError::metadata(TOKENS, problem));
    }
    let kinds = kinds(keys, tokens.len())?;
    let (mut vocab, mut added, mut ids) = (Vec::new(), Vec::new(), BTreeMap::new());
    for ((content, kind), id) in tokens.iter().copied().zip(kinds).zip(0u32..) {
        if kind == Kind::Unused {
            continue;
        }
        if let Some(other) = ids.insert(content, id) {
            let problem = format!("entries {other} and {id} are both {:?}", shown(content));
            return Err(GgufError::metadata(TOKENS, problem));
        }
        vocab.push((content, id));
        if kind != Kind::Plain {
            added.push(Added {
                id,
                content,
                single_word: false,
                lstrip: false,
                rstrip: false,
                normalized: false,
                special: kind == Kind::Special,
            });
        }
    }
    let byte_level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    let file = File {
        version: "1.0",
        truncation: (),
        padding: (),
        added_tokens: added,
        normalizer: (),
        pre_tokenizer: Sorted(splitting(keys, &byte_level)?),
        post_processor: Sorted(around(keys, &tokens)?),
        decoder: Sorted(byte_level),
        model: Bpe {
            r#type: "BPE",
            dropout: (),
            unk_token: (),
            continuing_subword_prefix: (),
            end_of_word_suffix: (),
            fuse_unk: false,
            byte_fallback: false,
            ignore_merges: false,
            vocab,
            merges: merges(keys, &ids)?,
        },
    };
    let file = serde_json::to_vec(&file).map_err(|e| GgufError::Json(e.to_string()))?;
    Ok((file, settings(keys, &tokens, context)?))
}

/// The kind of each token; all are plain where the file does not say.
fn kinds(keys: &Keys, count: usize) -> Result<Vec<Kind>, GgufError> {
    let Some(numbers) = keys.integers(KINDS)? else {
        return Ok(vec![Kind::Plain; count]);
    };
    if numbers.len() != count {
        let problem = format!("has {} entries for {count} tokens", numbers.len());
        return Err(GgufError::metadata(KINDS, problem));
    }
    let kind = |number: i64| {
        Kind::of(number)
            .ok_or_else(|| GgufError::metadata(KINDS, format!("has the unknown kind {number}")))
    };
    numbers.into_iter().map(kind).collect()
}

/// Pairs of tokens, the first to be merged first.
fn merges<'a>(keys: &'a Keys, ids: &BTreeMap<&str, u32>) -> Result<Vec<[&'a str; 2]>, GgufError> {
    let merges = needed(MERGES, keys.texts(MERGES)?)?;
    let pair = |merge: &'a str| {
        let known = |text: &str| ids.contains_key(text);
        match merge.split_once(' ') {
            Some((left, right))
                if known(left) && known(right) && known(&format!("{left}{right}")) =>
            {
                Ok([left, right])
            }
            _ => Err(GgufError::metadata(
                MERGES,
                format!(
                    "has {:?}, which joins no two tokens to a third",
                    shown(merge)
                ),
            )),
        }
    };
    merges.into_iter().map(pair).collect()
}

/// How a text is cut before tokens are looked for.
fn splitting(keys: &Keys, byte_level: &Value) -> Result<Value, GgufError> {
    match needed(PRE, keys.text(PRE)?)? {
        "gpt-2" => Ok(byte_level.clone()),
        "smollm" => Ok(json!({
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": true}, byte_level],
        })),
        other => Err(GgufError::metadata(
            PRE,
            format!(
                "is {:?}; the splitting rules gpt-2 and smollm are known",
                shown(other)
            ),
        )),
    }
}

/// The text of a token that a key names by its id.
fn named<'a>(keys: &Keys, tokens: &[&'a str], key: &str) -> Result<Option<&'a str>, GgufError> {
    let Some(id) = keys.id(key)? else {
        return Ok(None);
    };
    let text = tokens.get(id as usize).copied();
    let missing = || GgufError::metadata(key, format!("is {id}, beyond the last token"));
    text.map(Some).ok_or_else(missing)
}

/// The tokens that are put around every text, where the file asks for them.
fn around(keys: &Keys, tokens: &[&str]) -> Result<Value, GgufError> {
    let side = |flag: &str, key: &str| -> Result<Option<(String, u32)>, GgufError> {
        if keys.flag(flag)? != Some(true) {
            return Ok(None);
        }
        let text = needed(key, named(keys, tokens, key)?)?;
        Ok(Some((text.to_owned(), needed(key, keys.id(key)?)?)))
    };
    let before = side(
        "tokenizer.ggml.add_bos_token",
        "tokenizer.ggml.bos_token_id",
    )?;
    let after = side(
        "tokenizer.ggml.add_eos_token",
        "tokenizer.ggml.eos_token_id",
    )?;
    if before.is_none() && after.is_none() {
        return Ok(Value::Null);
    }
    let special = |token: &Option<(String, u32)>, part: u32| {
        let text = token.iter();
        text.map(|(text, _)| json!({"SpecialToken": {"id": text, "type_id": part}}))
            .collect::<Vec<_>>()
    };
    let framed = |name: &str, part: u32| {
        let text = json!({"Sequence": {"id": name, "type_id": part}});
        [special(&before, part), vec![text], special(&after, part)].concat()
    };
    let entry = |(text, id): &(String, u32)| {
        let entry = json!({"id": text, "ids": [id], "tokens": [text]});
        (text.clone(), entry)
    };
    let used = before.iter().chain(&after).map(entry);
    Ok(json!({
        "type": "TemplateProcessing",
        "single": framed("A", 0),
        "pair": Value::Array([framed("A", 0), framed("B", 1)].concat()),
        "special_tokens": used.collect::<serde_json::Map<_, _>>(),
    }))
}

fn settings(keys: &Keys, tokens: &[&str], context: usize) -> Result<Vec<u8>, GgufError> {
    let mut settings = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "clean_up_tokenization_spaces": false,
        "add_prefix_space": false,
    });
    for (field, key) in [
        ("bos_token", "tokenizer.ggml.bos_token_id"),
        ("eos_token", "tokenizer.ggml.eos_token_id"),
        ("unk_token", "tokenizer.ggml.unknown_token_id"),
        ("pad_token", "tokenizer.ggml.padding_token_id"),
    ] {
        if let Some(text) = named(keys, tokens, key)? {
            settings[field] = text.into();
        }
    }
    if let Some(template) = keys.text(TEMPLATE)? {
        settings["chat_template"] = template.into();
    }
    pretty(&settings)
}
