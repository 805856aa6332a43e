//! Files that say something of a tokenizer or a chat template, beside a model and beside an adapter.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::file::{CHAT_TEMPLATE, CONFIG, GENERATION_CONFIG, ModelFiles, TOKENIZER, read_file};
use crate::error::LoadError;

const TEMPLATES: &str = "additional_chat_templates";
/// The template of a processor of images.
const PROCESSOR_TEMPLATE: &str = "chat_template.json";
/// Most files that are read.
const MAX_FILES: usize = 64;

/// Puts the tokenizer and the chat templates that lie beside an adapter into the files of its base:
/// they are what the adapter was taught with. Gives a note if the base has other ones.
///
/// Without a `tokenizer.json` beside it, only the chat templates are taken: all of them, in the place of
/// all of the base's.
///
/// # Errors
/// When a file in the adapter's folder cannot be read or is malformed.
pub fn take_adapter_tokenizer(
    files: &mut ModelFiles,
    adapter: &Path,
) -> Result<Option<&'static str>, LoadError> {
    let mut beside_adapter = ModelFiles::new();
    for name in beside(adapter)? {
        beside_adapter.insert(name.clone(), read_file(adapter, &name)?);
    }
    let own = assay_data::chat_templates(files)?;
    let taught = assay_data::chat_templates(&beside_adapter)?;
    if super::folder::is_there(adapter, TOKENIZER) {
        let tokenizer = read_file(adapter, TOKENIZER)?;
        if json(&tokenizer) != files.get(TOKENIZER).and_then(|own| json(own)) {
            let stays = |name: &str| [CONFIG, GENERATION_CONFIG].contains(&name);
            files.retain(|name, _| stays(name) || !assay_data::is_tokenizer_file(name));
            files.extend(beside_adapter);
            files.insert(TOKENIZER.into(), tokenizer);
            if taught.is_empty() {
                put_templates(files, own);
            }
            return Ok(Some(
                "the adapter's folder brings another tokenizer than the model's; the adapter's is used",
            ));
        }
    }
    let same = |(name, text): (&String, &String)| {
        let own = own.get(name);
        own.is_some_and(|own| own.trim() == text.trim())
    };
    if taught.iter().all(same) {
        return Ok(None);
    }
    put_templates(files, taught);
    let note =
        "the adapter's folder brings another chat template than the model's; the adapter's is used";
    Ok((!own.is_empty()).then_some(note))
}

/// Puts chat templates, by name, in the place of all that the files bring: templates of two models
/// are not mixed. In files of their own they come before those in `tokenizer_config.json`.
fn put_templates(files: &mut ModelFiles, templates: BTreeMap<String, String>) {
    let folder = format!("{TEMPLATES}/");
    let is_template = |name: &String| {
        [CHAT_TEMPLATE, PROCESSOR_TEMPLATE].contains(&name.as_str()) || name.starts_with(&folder)
    };
    files.retain(|name, _| !is_template(name));
    for (name, text) in templates {
        let file = match name.as_str() {
            "default" => CHAT_TEMPLATE.to_owned(),
            name => format!("{folder}{name}.jinja"),
        };
        files.insert(file, text.into_bytes());
    }
}

fn json(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// Files beside `config.json` and `tokenizer.json` that say something of the tokenizer, sorted.
pub(super) fn beside(folder: &Path) -> Result<Vec<String>, LoadError> {
    let mut names = Vec::new();
    for (under, prefix) in [(folder.to_owned(), ""), (folder.join(TEMPLATES), "/")] {
        // The folder itself was read from before; the other one need not be there.
        let Ok(entries) = std::fs::read_dir(&under) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let name = match prefix {
                "" => name,
                _ => format!("{TEMPLATES}{prefix}{name}"),
            };
            let known = name == CONFIG || name == TOKENIZER;
            if assay_data::is_tokenizer_file(&name) && !known {
                names.push(name);
            }
        }
    }
    if names.len() > MAX_FILES {
        let reason = format!("{TEMPLATES} holds more than {MAX_FILES} chat templates");
        return Err(LoadError::config(reason));
    }
    names.sort_unstable();
    Ok(names)
}
