//! Files that say something of a tokenizer or a chat template, beside a model and beside an adapter.

use std::path::Path;

use serde_json::Value;

use super::{CHAT_TEMPLATE, CONFIG, GENERATION_CONFIG, ModelFiles, TOKENIZER, read_file};
use crate::error::LoadError;

const TEMPLATES: &str = "additional_chat_templates";
/// Most files that are read.
const MAX_FILES: usize = 64;

/// Puts the tokenizer and the chat template that lie beside an adapter into the files of its base:
/// they are what the adapter was taught with. Gives a note if the base has other ones.
///
/// Without a `tokenizer.json` beside it, only the chat template is taken.
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
    let own = assay_data::chat_template(files)?;
    let taught = assay_data::chat_template(&beside_adapter)?;
    if super::folder::is_there(adapter, TOKENIZER) {
        let tokenizer = read_file(adapter, TOKENIZER)?;
        if json(&tokenizer) != files.get(TOKENIZER).and_then(|own| json(own)) {
            let stays = |name: &str| [CONFIG, GENERATION_CONFIG].contains(&name);
            files.retain(|name, _| stays(name) || !assay_data::is_tokenizer_file(name));
            files.extend(beside_adapter);
            files.insert(TOKENIZER.into(), tokenizer);
            if let (None, Some(own)) = (taught, own) {
                files.insert(CHAT_TEMPLATE.into(), own.into_bytes());
            }
            return Ok(Some(
                "the adapter's folder brings another tokenizer than the model's; the adapter's is used",
            ));
        }
    }
    let Some(taught) = taught else {
        return Ok(None);
    };
    if own.as_deref().map(str::trim) == Some(taught.trim()) {
        return Ok(None);
    }
    files.insert(CHAT_TEMPLATE.into(), taught.into_bytes());
    Ok(own.map(|_| {
        "the adapter's folder brings another chat template than the model's; the adapter's is used"
    }))
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
