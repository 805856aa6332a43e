//! The files of a model, and reading one of them.

use std::collections::BTreeMap;
use std::path::Path;

use assay_data::{Foreign, from_json, without_mark};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::folder;
use crate::error::LoadError;

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(crate) const GENERATION_CONFIG: &str = "generation_config.json";
pub(crate) const CHAT_TEMPLATE: &str = "chat_template.jinja";

/// The contents of the files a model is made of, by name.
pub type ModelFiles = BTreeMap<String, Vec<u8>>;

/// Reads one file of a model's or an adapter's folder. Names of JSON files must hold JSON, names of
/// safetensors files may hold nothing else; a byte order mark before a text is left out.
///
/// # Errors
/// When the file is missing, cannot be read, or is another kind of file.
pub fn read_file(folder: &Path, name: &str) -> Result<Vec<u8>, LoadError> {
    if name.starts_with("adapter_") && !folder::is_there(folder, name) {
        return Err(folder::no_adapter(folder, name));
    }
    let bytes = read_path(&folder.join(name))?;
    check_kind(name, &bytes)?;
    let json = name.ends_with(".json");
    if json || name.ends_with(".jinja") {
        let text = without_mark(&bytes);
        if json {
            from_json::<IgnoredAny>(text).map_err(|fault| LoadError::Json {
                file: name.to_owned(),
                fault: Box::new(fault),
            })?;
        }
        if text.len() < bytes.len() {
            return Ok(text.to_vec());
        }
    }
    Ok(bytes)
}

/// Refuses bytes that are visibly something else than a file of this name.
pub(super) fn check_kind(name: &str, bytes: &[u8]) -> Result<(), LoadError> {
    let fits = |foreign: &Foreign| match foreign {
        Foreign::Safetensors => name.ends_with(".safetensors"),
        // A template may be a page of HTML, or nothing.
        Foreign::Html | Foreign::Xml | Foreign::Empty => name.ends_with(".jinja"),
        _ => false,
    };
    match Foreign::of(bytes).filter(|foreign| !fits(foreign)) {
        None => Ok(()),
        Some(found) => Err(LoadError::Foreign {
            file: name.to_owned(),
            found,
        }),
    }
}

pub(super) fn read_path(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| folder::unreadable(path, source))
}

/// The shard files an index names, each once, in order. Names that could leave the folder are
/// refused.
pub(crate) fn shards(index: &[u8]) -> Result<Vec<String>, LoadError> {
    let wrong = |reason: String| LoadError::Index(reason);
    if index.len() > 64 << 20 {
        return Err(wrong("it has more than 64 MiB".into()));
    }
    let value: Value = from_json(index).map_err(|fault| wrong(fault.to_string()))?;
    let Some(map) = value["weight_map"].as_object() else {
        return Err(wrong("it has no weight_map".into()));
    };
    let mut names = std::collections::BTreeSet::new();
    for file in map.values() {
        let name = file.as_str().unwrap_or_default();
        let plain = name.ends_with(".safetensors") && !name.contains(['/', '\\']);
        if !plain {
            let shown: String = file.to_string().chars().take(80).collect();
            return Err(wrong(format!(
                "{shown} is no name of a .safetensors file beside it"
            )));
        }
        names.insert(name.to_owned());
    }
    Ok(names.into_iter().collect())
}
