//! `tokenizer.json` and `tokenizer_config.json` from the metadata.

mod byte_level;
mod sentencepiece;

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
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";
const UNKNOWN: &str = "tokenizer.ggml.unknown_token_id";
const TEMPLATE: &str = "tokenizer.chat_template";
/// Before the name of a further template, such as `tool_use`.
const NAMED_TEMPLATE: &str = "tokenizer.chat_template.";

/// Most tokens; as many rows as an embedding may have.
const MAX_TOKENS: usize = 1 << 20;

/// `tokenizer.json` in the order of its fields.
#[derive(Serialize)]
struct File<'a> {
    version: &'static str,
    truncation: (),
    padding: (),
    added_tokens: Vec<Added<'a>>,
    normalizer: Sorted,
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
    unk_token: Option<&'a str>,
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
    Byte,
    Special,
    Added,
    Unused,
}

impl Kind {
    fn of(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Plain),
            2 | 3 => Some(Self::Special),
            4 => Some(Self::Added),
            5 => Some(Self::Unused),
            6 => Some(Self::Byte),
            _ => None,
        }
    }
}

/// The tokens that texts can become.
struct Vocabulary<'a> {
    /// Every token of the file, by id.
    tokens: Vec<&'a str>,
    kinds: Vec<Kind>,
    /// Those that are used, by text.
    ids: BTreeMap<&'a str, u32>,
}

/// What distinguishes the families of tokenizers.
struct Family<'a> {
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
    unk_token: Option<&'a str>,
    byte_fallback: bool,
    /// Whether a piece that is a token as a whole is never merged together from parts.
    ignore_merges: bool,
    /// Pairs of tokens, the first to be merged first.
    merges: Vec<[&'a str; 2]>,
    /// Whether texts begin with a token where the file does not say.
    begins: bool,
}

/// `tokenizer.json` and `tokenizer_config.json` of a byte-level BPE or a SentencePiece BPE
/// tokenizer.
///
/// # Errors
/// When the tokenizer is of another kind, its splitting rule is unknown, or its lists contradict
/// each other.
pub(super) fn files(keys: &Keys, context: usize) -> Result<(Vec<u8>, Vec<u8>), GgufError> {
    let vocabulary = vocabulary(keys)?;
    let family = match needed(MODEL, keys.text(MODEL)?)? {
        "gpt2" => byte_level::family(keys, &vocabulary)?,
        "llama" => sentencepiece::family(keys, &vocabulary)?,
        other => {
            let problem = format!(
                "is {:?}; byte-level BPE (gpt2) and SentencePiece BPE (llama) are rebuilt",
                shown(other)
            );
            return Err(GgufError::metadata(MODEL, problem));
        }
    };
    let Vocabulary { tokens, kinds, .. } = &vocabulary;
    let used = (0u32..).zip(tokens.iter().copied().zip(kinds));
    let used = used.filter(|(_, (_, kind))| **kind != Kind::Unused);
    let added = used.clone().filter_map(|(id, (content, kind))| {
        matches!(kind, Kind::Special | Kind::Added).then_some(Added {
            id,
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: *kind == Kind::Special,
        })
    });
    let file = File {
        version: "1.0",
        truncation: (),
        padding: (),
        added_tokens: added.collect(),
        normalizer: Sorted(family.normalizer),
        pre_tokenizer: Sorted(family.pre_tokenizer),
        post_processor: Sorted(around(keys, tokens, family.begins)?),
        decoder: Sorted(family.decoder),
        model: Bpe {
            r#type: "BPE",
            dropout: (),
            unk_token: family.unk_token,
            continuing_subword_prefix: (),
            end_of_word_suffix: (),
            fuse_unk: family.unk_token.is_some(),
            byte_fallback: family.byte_fallback,
            ignore_merges: family.ignore_merges,
            vocab: used.map(|(id, (content, _))| (content, id)).collect(),
            merges: family.merges,
        },
    };
    let file = serde_json::to_vec(&file).map_err(|e| GgufError::Json(e.to_string()))?;
    Ok((file, settings(keys, tokens, context)?))
}

/// Control tokens that llama.cpp takes for ends of a turn or a text by their names, where the file
/// brings a chat template: nothing else in the metadata says so.
pub(super) fn ends(keys: &Keys) -> Result<Vec<u32>, GgufError> {
    const ENDS: [&str; 6] = [
        "<|eot_id|>",
        "<|eom_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|end_of_text|>",
        "<|endoftext|>",
    ];
    if keys.text(TEMPLATE)?.is_none() {
        return Ok(Vec::new());
    }
    let Vocabulary { tokens, kinds, .. } = vocabulary(keys)?;
    let all = (0u32..).zip(tokens.iter().zip(&kinds));
    let ends = all.filter(|(_, (text, kind))| **kind == Kind::Special && ENDS.contains(text));
    Ok(ends.map(|(id, _)| id).collect())
}

fn vocabulary(keys: &Keys) -> Result<Vocabulary<'_>, GgufError> {
    let tokens = needed(TOKENS, keys.texts(TOKENS)?)?;
    if tokens.is_empty() || tokens.len() > MAX_TOKENS {
        let problem = format!("has {} entries; up to {MAX_TOKENS} are read", tokens.len());
        return Err(GgufError::metadata(TOKENS, problem));
    }
    let kinds = kinds(keys, tokens.len())?;
    let mut ids = BTreeMap::new();
    for ((content, kind), id) in tokens.iter().copied().zip(&kinds).zip(0u32..) {
        if *kind == Kind::Unused {
            continue;
        }
        if let Some(other) = ids.insert(content, id) {
            let problem = format!("entries {other} and {id} are both {:?}", shown(content));
            return Err(GgufError::metadata(TOKENS, problem));
        }
    }
    Ok(Vocabulary { tokens, kinds, ids })
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

/// The id of a token of the file that a key names.
pub(super) fn id(keys: &Keys, key: &str) -> Result<Option<u32>, GgufError> {
    match keys.id(key)? {
        None => Ok(None),
        Some(id) => checked(key, id, &needed(TOKENS, keys.texts(TOKENS)?)?).map(|_| Some(id)),
    }
}

/// The text of a token that a key names by its id.
fn named<'a>(keys: &Keys, tokens: &[&'a str], key: &str) -> Result<Option<&'a str>, GgufError> {
    let id = keys.id(key)?;
    id.map(|id| checked(key, id, tokens)).transpose()
}

fn checked<'a>(key: &str, id: u32, tokens: &[&'a str]) -> Result<&'a str, GgufError> {
    let text = tokens.get(id as usize).copied();
    let last = tokens.len().saturating_sub(1);
    text.ok_or_else(|| {
        GgufError::metadata(
            key,
            format!("is {id}, beyond the last token, which is {last}"),
        )
    })
}

/// The tokens that are put around every text, where the file asks for them.
fn around(keys: &Keys, tokens: &[&str], begins: bool) -> Result<Value, GgufError> {
    let side = |flag: &str, key: &str, default| -> Result<Option<(String, u32)>, GgufError> {
        // A family's habit needs the token; a file's own word is held to.
        let habit = default && keys.id(key)?.is_some();
        if !keys.flag(flag)?.unwrap_or(habit) {
            return Ok(None);
        }
        let text = needed(key, named(keys, tokens, key)?)?;
        Ok(Some((text.to_owned(), needed(key, keys.id(key)?)?)))
    };
    let before = side("tokenizer.ggml.add_bos_token", BOS, begins)?;
    let after = side("tokenizer.ggml.add_eos_token", EOS, false)?;
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
        ("bos_token", BOS),
        ("eos_token", EOS),
        ("unk_token", UNKNOWN),
        ("pad_token", "tokenizer.ggml.padding_token_id"),
    ] {
        if let Some(text) = named(keys, tokens, key)? {
            settings[field] = text.into();
        }
    }
    let named = keys.texts_under(NAMED_TEMPLATE)?;
    match keys.text(TEMPLATE)? {
        Some(default) if named.is_empty() => settings["chat_template"] = default.into(),
        default => {
            let default = default.map(|text| ("default", text));
            // As transformers writes a set of templates: a list of names and texts.
            let all: Vec<Value> = default
                .into_iter()
                .chain(named)
                .map(|(name, text)| json!({"name": name, "template": text}))
                .collect();
            if !all.is_empty() {
                settings["chat_template"] = all.into();
            }
        }
    }
    pretty(&settings)
}

#[cfg(test)]
mod tests {
    use gguf_rs_lib::format::{Metadata, MetadataValue};

    use super::*;

    fn templates(texts: &[(&str, &str)]) -> Value {
        let mut metadata = Metadata::default();
        for (key, text) in texts {
            let text = MetadataValue::String((*text).to_owned());
            metadata.data.insert((*key).to_owned(), text);
        }
        let settings = settings(&Keys(metadata), &[], 8).unwrap();
        let settings: Value = serde_json::from_slice(&settings).unwrap();
        settings["chat_template"].clone()
    }

    #[test]
    fn every_chat_template_of_a_file_is_carried_under_its_name() {
        let (default, tools) = ((TEMPLATE, "a"), ("tokenizer.chat_template.tool_use", "b"));
        assert_eq!(templates(&[]), Value::Null);
        assert_eq!(templates(&[default]), "a");
        assert_eq!(
            templates(&[default, tools]),
            json!([{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}])
        );
    }
}
