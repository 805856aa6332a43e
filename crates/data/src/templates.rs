//! Which chat template a model brings.
//!
//! The order is that of `transformers`: `chat_template.jinja` and
//! `additional_chat_templates/NAME.jinja` before `chat_template` in `tokenizer_config.json`, which is
//! a template or a list of named ones. `chat_template.json`, which belongs to a processor of images,
//! is read where the others say nothing. The first place that has a template has the whole set:
//! templates of two places, which may be of two models, are not mixed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{TemplateError, TokenizerError};
use crate::facts::{CONFIG, Facts, Files, object};
use crate::json::no_text;

const FILE: &str = "chat_template.jinja";
const FOLDER: &str = "additional_chat_templates/";
const ENDING: &str = ".jinja";
const PROCESSOR: &str = "chat_template.json";
const DEFAULT: &str = "default";
const TOOL_USE: &str = "tool_use";

/// The templates of a model, by name; where there is any, one is called `default`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Templates(pub(crate) BTreeMap<String, String>);

impl Templates {
    /// The template for conversations.
    pub(crate) fn default(&self) -> Option<&str> {
        self.0.get(DEFAULT).map(String::as_str)
    }

    /// The template for conversations with tools, where the model has another one for them.
    pub(crate) fn tool_use(&self) -> Option<&str> {
        self.0.get(TOOL_USE).map(String::as_str)
    }

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
            let text = text.map_err(|_| {
                let what = no_text(bytes).map(|what| format!("the file is {what}"));
                TemplateError::Syntax(what.unwrap_or_else(|| "it is not UTF-8".into()))
            })?;
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
        let processor = processor.map(|text| (DEFAULT.to_owned(), text));
        let places = [
            (FILE, by_file),
            (CONFIG, configured),
            (PROCESSOR, processor.into_iter().collect()),
        ];
        let mut found = BTreeMap::new();
        for (place, mut set) in places {
            // An empty file is a template that writes nothing: nobody means that.
            set.retain(|_, text: &mut String| !text.trim().is_empty());
            if found.is_empty() {
                found = set;
            } else {
                facts.notes.extend(unused(place, &set, &found));
            }
        }
        if let Some(name) = found.keys().find(|name| !is_file_name(name)) {
            let name: String = name.chars().take(40).collect();
            let problem = format!(
                "a chat template is called {name:?}, which cannot be the name of a file; rename it"
            );
            return Err(wrong(CONFIG, problem));
        }
        if !found.is_empty() && !found.contains_key(DEFAULT) {
            let names: Vec<&str> = found.keys().map(String::as_str).take(8).collect();
            let problem = format!(
                "no chat template is named default, only {}; name the one to use default",
                names.join(", ")
            );
            return Err(wrong(CONFIG, problem));
        }
        Ok(Self(found))
    }
}

/// Whether a template of this name can be written to a file of that name, in its own folder.
fn is_file_name(name: &str) -> bool {
    let good = |c: char| !c.is_control() && !"/\\:".contains(c);
    (1..=100).contains(&name.len()) && !name.starts_with('.') && name.chars().all(good)
}

/// What to say of a place whose templates are not used, if they differ from those that are.
fn unused(
    place: &str,
    set: &BTreeMap<String, String>,
    used: &BTreeMap<String, String>,
) -> Option<String> {
    let differs = |name: &String, text: &String| match used.get(name) {
        Some(used) => used.trim() != text.trim(),
        None => true,
    };
    let (name, _) = set.iter().find(|(name, text)| differs(name, text))?;
    let which = match name.as_str() {
        DEFAULT => String::new(),
        name => format!(" for {}", name.chars().take(40).collect::<String>()),
    };
    Some(format!(
        "{place} holds another chat template{which} than those that are used, which come first in transformers too"
    ))
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
