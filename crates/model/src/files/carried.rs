//! Files that say something of a tokenizer or a chat template, beside a model and beside an adapter.

use std::path::Path;

use super::{CHAT_TEMPLATE, CONFIG, ModelFiles, TOKENIZER, read_file};
use crate::error::LoadError;

const TEMPLATES: &str = "additional_chat_templates";
/// Most files that are read.
const MAX_FILES: usize = 64;

/// Puts the chat template that lies beside an adapter into the files of its base: it is the format
/// that the adapter was taught. Gives a note if the base has another one.
///
/// # Errors
/// When a file in the adapter's folder cannot be read or is malformed.
pub fn take_adapter_template(
    files: &mut ModelFiles,
    adapter: &Path,
) -> Result<Option<&'static str>, LoadError> {
    let mut beside_adapter = ModelFiles::new();
    for name in beside(adapter)? {
        beside_adapter.insert(name.clone(), read_file(adapter, &name)?);
    }
    let Some(taught) = assay_data::chat_template(&beside_adapter)? else {
        return Ok(None);
    };
    let own = assay_data::chat_template(files)?;
    if own.as_deref().map(str::trim) == Some(taught.trim()) {
        return Ok(None);
    }
    files.insert(CHAT_TEMPLATE.into(), taught.into_bytes());
    Ok(own.map(|_| {
        "the adapter's folder brings another chat template than the model's; the adapter's is used"
    }))
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
