//! Which chat template a model brings.
//!
//! The order is that of `transformers`: `chat_template.jinja` and
//! `additional_chat_templates/NAME.jinja` before `chat_template` in `tokenizer_config.json`, which is
//! a template or a list of named ones. `chat_template.json`, which belongs to a processor of images,
//! is read where the others say nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{TemplateError, TokenizerError};
use crate::facts::{CONFIG, Facts, Files, object};

const FILE: &str = "chat_template.jinja";
const FOLDER: &str = "additional_chat_templates/";
const ENDING: &str = ".jinja";
const PROCESSOR: &str = "chat_template.json";
const DEFAULT: &str = "default";
const TOOL_USE: &str = "tool_use";

/// The templates of a model that a conversation may take.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Templates {
    /// For conversations.
    pub(crate) default: Option<String>,
    /// For conversations with tools, where the model has another one for them.
    pub(crate) tool_use: Option<String>,
}

impl Templates {
    /// Finds the templates; contradictions go to the notes of `facts`.
    ///
    /// # Errors
    /// When a file is malformed, or templates have names and none is called `default`.
    pub(crate) fn find(files: &Files<'_>, facts: &mut Facts) -> Result<Self, TokenizerError> {
        let mut by_file = BTreeMap::new();
        for (name, bytes) in files {
            let folder = name.strip_prefix(FOLDER);
            let name = match folder.and_then(|name| name.strip_suffix(ENDING)) {
                Some(name) => name,
                None if *name == FILE => DEFAULT,
                None => continue,
            };
            let text = String::from_utf8(bytes.to_vec());
            let text = text.map_err(|_| TemplateError::Syntax("it is not UTF-8".into()))?;
            by_file.insert(name.to_owned(), text);
        }
        let configured = configured(&std::mem::take(&mut facts.template))?;
        let processor = match object(files, PROCESSOR)? {
            None => None,
            Some(mut fields) => match fields.remove("chat_template") {
                Some(Value::String(text)) => Some(text),
                _ => return Err(wrong(PROCESSOR, "chat_template is no text")),
            },
        };
        let mut found = by_file;
        let more = processor.map(|text| (DEFAULT.to_owned(), text));
        let weaker = (configured.into_iter().map(|pair| (CONFIG, pair)))
            .chain(more.map(|pair| (PROCESSOR, pair)));
        for (file, (name, text)) in weaker {
            match found.get(&name) {
                Some(used) if name == DEFAULT && used.trim() != text.trim() => {
                    let note = format!(
                        "{file} holds another chat template than the one that is used, which comes first in transformers too"
                    );
                    facts.notes.push(note);
                }
                Some(_) => {}
                None => {
                    found.insert(name, text);
                }
            }
        }
        // An empty file is a template that writes nothing: nobody means that.
        found.retain(|_, text| !text.trim().is_empty());
        if !found.is_empty() && !found.contains_key(DEFAULT) {
            let names: Vec<&str> = found.keys().map(String::as_str).take(8).collect();
            let problem = format!(
                "no chat template is named default, only {}; name the one to use default",
                names.join(", ")
            );
            return Err(wrong(CONFIG, problem));
        }
        Ok(Self {
            default: found.remove(DEFAULT),
            tool_use: found.remove(TOOL_USE),
        })
    }
}

/// The templates in `tokenizer_config.json` by name.
fn configured(value: &Value) -> Result<BTreeMap<String, String>, TokenizerError> {
    let malformed = || {
        wrong(
            CONFIG,
            "chat_template is no text and no list of named texts",
        )
    };
    let pair = |name: Option<&str>, text: Option<&str>| {
        let pair = name.zip(text);
        pair.map(|(name, text)| (name.to_owned(), text.to_owned()))
            .ok_or_else(malformed)
    };
    match value {
        Value::Null => Ok(BTreeMap::new()),
        Value::String(text) => Ok([(DEFAULT.to_owned(), text.clone())].into()),
        Value::Array(list) => (list.iter())
            .map(|entry| pair(entry["name"].as_str(), entry["template"].as_str()))
            .collect(),
        Value::Object(map) => (map.iter())
            .map(|(name, text)| pair(Some(name), text.as_str()))
            .collect(),
        _ => Err(malformed()),
    }
}

fn wrong(file: &'static str, problem: impl Into<String>) -> TokenizerError {
    TokenizerError::File {
        file,
        problem: problem.into().chars().take(300).collect(),
    }
}
