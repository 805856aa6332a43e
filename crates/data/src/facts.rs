//! What the files beside `tokenizer.json` say of a tokenizer: its special tokens, tokens added later,
//! ids that end a text.
//!
//! Where two files speak of one thing, the order is that of `transformers` 5:
//!
//! | fact | order |
//! | --- | --- |
//! | special tokens | with `added_tokens_decoder` in `tokenizer_config.json`: it, then `special_tokens_map.json`; else the other way round |
//! | where neither speaks | the ids of `config.json`, then those of `generation_config.json` |
//! | added tokens | `tokenizer.json`, then `added_tokens_decoder`, then `added_tokens.json` |
//! | ids that end a text | all that any file names |
//! | tokens put around a text | `tokenizer.json`; `add_bos_token` and `add_eos_token` only where they agree with it |
//!
//! A contradiction is not hidden: it becomes a note that commands show.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use crate::error::TokenizerError;
use crate::json::from_json;

/// The vocabulary and how texts are cut; nothing works without it.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
const ADDED_TOKENS: &str = "added_tokens.json";
const GENERATION: &str = "generation_config.json";
const MODEL: &str = "config.json";

/// Largest file that is read here, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// Most ids that one field may name as ends of a text.
const MAX_ENDS: usize = 64;

/// The contents of a model folder's files, by name.
pub(crate) type Files<'a> = BTreeMap<&'a str, &'a [u8]>;

/// A special token, as far as files name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Named {
    /// No file speaks of it.
    #[default]
    Nowhere,
    /// A file says that there is none.
    Absent,
    /// Its text, and the file that says so.
    Token(String, &'static str),
}

/// Beginning, end, padding, unknown: in this order.
pub(crate) const SPECIAL: [&str; 4] = ["bos_token", "eos_token", "pad_token", "unk_token"];

/// What the files say.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The special tokens, in the order of [`SPECIAL`].
    pub(crate) special: [Named; 4],
    /// Ids of the special tokens in the model's files, in the same order, and the file.
    pub(crate) ids: [Option<(u32, &'static str)>; 4],
    /// More special tokens: the text, the field and the file that name it.
    pub(crate) extras: Vec<(String, &'static str, &'static str)>,
    /// Tokens that `tokenizer.json` may lack, by id, and the file that brings them.
    pub(crate) added: Vec<(u32, AddedToken, &'static str)>,
    /// Ids that end a text.
    pub(crate) ends: BTreeSet<u32>,
    /// `add_bos_token` and `add_eos_token`.
    pub(crate) adds: [Option<bool>; 2],
    /// `chat_template` of `tokenizer_config.json`.
    pub(crate) template: Value,
    /// Contradictions, in words.
    pub(crate) notes: Vec<String>,
}

impl Facts {
    /// Reads every file that is there.
    ///
    /// # Errors
    /// When a file is oversized or malformed: the message names it.
    pub(crate) fn read(files: &Files<'_>) -> Result<Self, TokenizerError> {
        let mut facts = Self::default();
        let config = object(files, CONFIG)?.unwrap_or_default();
        let map = object(files, SPECIAL_TOKENS)?.unwrap_or_default();
        let decoder = config.get("added_tokens_decoder");
        for (name, special) in SPECIAL.into_iter().zip(&mut facts.special) {
            let from_config = named(&config, name, CONFIG)?;
            // A file that only leaves a token out does not contradict one that names it.
            let from_map = match named(&map, name, SPECIAL_TOKENS)? {
                Named::Absent => Named::Nowhere,
                other => other,
            };
            if let (Named::Token(a, _), Named::Token(b, _)) = (&from_config, &from_map)
                && a != b
            {
                let [a, b] = [a, b].map(|text| text.chars().take(80).collect::<String>());
                let used = if decoder.is_some() { &a } else { &b };
                facts.notes.push(format!(
                    "{CONFIG} names {name} {a:?} and {SPECIAL_TOKENS} {b:?}; {used:?} is used, as transformers does"
                ));
            }
            *special = match (decoder.is_some(), from_config, from_map) {
                (true, Named::Nowhere, map) => map,
                (true, config, _) | (false, config, Named::Nowhere) => config,
                (false, _, map) => map,
            };
        }
        facts.extras(&config, CONFIG)?;
        if decoder.is_none() {
            facts.extras(&map, SPECIAL_TOKENS)?;
        }
        if config.get("split_special_tokens") == Some(&Value::Bool(true)) {
            facts.notes.push(format!(
                "{CONFIG} says split_special_tokens = true, and it is passed over: a special token that a text names stays one token"
            ));
        }
        facts.added(decoder, object(files, ADDED_TOKENS)?)?;
        facts.adds = ["add_bos_token", "add_eos_token"].map(|name| config.get(name)?.as_bool());
        facts.template = config.get("chat_template").cloned().unwrap_or_default();
        for file in [GENERATION, MODEL] {
            let Some(fields) = object(files, file)? else {
                continue;
            };
            for (i, name) in ["bos_token_id", "eos_token_id", "pad_token_id"]
                .into_iter()
                .enumerate()
            {
                let ids = ids(&fields, name, file)?;
                // The model's own file comes last and wins.
                facts.ids[i] = ids.first().map(|id| (*id, file)).or(facts.ids[i]);
                if name == "eos_token_id" {
                    facts.ends.extend(ids);
                }
            }
        }
        Ok(facts)
    }

    /// The special tokens without a use of their own, in a list or an object.
    fn extras(
        &mut self,
        fields: &Map<String, Value>,
        file: &'static str,
    ) -> Result<(), TokenizerError> {
        for field in ["additional_special_tokens", "extra_special_tokens"] {
            let wrong = || TokenizerError::File {
                file,
                problem: format!("{field} holds what is neither a text nor an object with content"),
            };
            let tokens: Vec<&Value> = match fields.get(field) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(tokens)) => tokens.iter().collect(),
                Some(Value::Object(tokens)) => tokens.values().collect(),
                Some(_) => return Err(wrong()),
            };
            for token in tokens {
                let text = token.get("content").unwrap_or(token).as_str();
                let text = text.ok_or_else(wrong)?.to_owned();
                self.extras.push((text, field, file));
            }
        }
        Ok(())
    }

    fn added(
        &mut self,
        decoder: Option<&Value>,
        legacy: Option<Map<String, Value>>,
    ) -> Result<(), TokenizerError> {
        let wrong = |file, what: &str| TokenizerError::File {
            file,
            problem: format!("an added token {what}"),
        };
        match decoder {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                for (id, entry) in entries {
                    let id = id.parse().map_err(|_| wrong(CONFIG, "has no number"))?;
                    let content = entry["content"].as_str();
                    let content = content.ok_or_else(|| wrong(CONFIG, "has no content"))?;
                    let flag = |name: &str, default| entry[name].as_bool().unwrap_or(default);
                    let special = flag("special", false);
                    let token = AddedToken::from(content, special)
                        .single_word(flag("single_word", false))
                        .lstrip(flag("lstrip", false))
                        .rstrip(flag("rstrip", false))
                        .normalized(flag("normalized", !special));
                    self.added.push((id, token, CONFIG));
                }
            }
            Some(_) => return Err(wrong(CONFIG, "list is no object")),
        }
        for (content, id) in legacy.into_iter().flatten() {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let id = id.ok_or_else(|| wrong(ADDED_TOKENS, "has no number"))?;
            let is = |named: &Named| matches!(named, Named::Token(text, _) if *text == content);
            let special = self.special.iter().any(is);
            let token = AddedToken::from(content, special);
            self.added.push((id, token, ADDED_TOKENS));
        }
        // Stable: of two files that speak of one id, the first one wins.
        self.added.sort_by_key(|(id, ..)| *id);
        Ok(())
    }
}

/// A JSON object in a file, if the file is there.
pub(crate) fn object(
    files: &Files<'_>,
    file: &'static str,
) -> Result<Option<Map<String, Value>>, TokenizerError> {
    let Some(bytes) = files.get(file) else {
        return Ok(None);
    };
    let wrong = |problem: String| TokenizerError::File { file, problem };
    if bytes.len() > MAX_BYTES {
        return Err(wrong("it has more than 16 MiB".into()));
    }
    match from_json(bytes).map_err(|fault| wrong(fault.to_string()))? {
        Value::Object(fields) => Ok(Some(fields)),
        _ => Err(wrong("it is no JSON object".into())),
    }
}

/// A special token: its text, or an object with the text as `content`.
fn named(
    fields: &Map<String, Value>,
    name: &str,
    file: &'static str,
) -> Result<Named, TokenizerError> {
    let text = match fields.get(name) {
        None => return Ok(Named::Nowhere),
        Some(Value::Null) => return Ok(Named::Absent),
        Some(Value::Object(token)) => token.get("content").and_then(Value::as_str),
        Some(other) => other.as_str(),
    };
    match text {
        Some("") => Ok(Named::Absent),
        Some(text) => Ok(Named::Token(text.to_owned(), file)),
        None => Err(TokenizerError::File {
            file,
            problem: format!("{name} is neither a text nor an object with content"),
        }),
    }
}

/// One id or a list of them.
fn ids(
    fields: &Map<String, Value>,
    name: &str,
    file: &'static str,
) -> Result<Vec<u32>, TokenizerError> {
    let wrong = || TokenizerError::File {
        file,
        problem: format!(
            "{name} must be a whole number from 0, or a list of up to {MAX_ENDS} of them"
        ),
    };
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match fields.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        // What older versions of transformers wrote for "none".
        Some(value) if value.as_i64() == Some(-1) => Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() <= MAX_ENDS => list
            .iter()
            .map(|value| id(value).ok_or_else(wrong))
            .collect(),
        Some(value) => Ok(vec![id(value).ok_or_else(wrong)?]),
    }
}
