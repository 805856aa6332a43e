//! A model as the files of a Hugging Face folder, which a GGUF file is converted to.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::error::LoadError;
use crate::gguf;

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const TEMPLATES: &str = "additional_chat_templates";
/// Most files of named chat templates that are read.
const MAX_TEMPLATES: usize = 64;
pub(crate) const GENERATION_CONFIG: &str = "generation_config.json";
pub(crate) const CHAT_TEMPLATE: &str = "chat_template.jinja";

/// The contents of the files a model is made of, by name.
pub type ModelFiles = BTreeMap<String, Vec<u8>>;

/// Reads the files of a model folder that matter: `config.json`, the weights (one file, or the
/// shards their index names), `tokenizer.json`, and where present every other file that says something
/// of the tokenizer or its chat templates ([`assay_data::is_tokenizer_file`]). Nothing else in the
/// folder is opened.
///
/// A path that ends with `.gguf` is a file, and what it converts to is given instead, stored as
/// f32: the same files as from a folder made by [`gguf::convert`] before.
///
/// # Errors
/// When a needed file is missing or cannot be read, the index is malformed, or a GGUF file cannot
/// be converted.
pub fn read_model_folder(folder: &Path) -> Result<ModelFiles, LoadError> {
    let extension = folder.extension();
    if extension.is_some_and(|e| e.eq_ignore_ascii_case(gguf::EXTENSION)) && !folder.is_dir() {
        return gguf::convert(&read_path(folder)?, gguf::Storage::F32);
    }
    let mut files = ModelFiles::new();
    files.insert(CONFIG.into(), read(folder, CONFIG)?);
    if !folder.join(TOKENIZER).exists()
        && let Some(other) = other_tokenizer(folder)
    {
        return Err(LoadError::OtherTokenizer(other.into()));
    }
    files.insert(TOKENIZER.into(), read(folder, TOKENIZER)?);
    for name in beside(folder)? {
        files.insert(name.clone(), read(folder, &name)?);
    }
    if folder.join(WEIGHTS).exists() {
        files.insert(WEIGHTS.into(), read(folder, WEIGHTS)?);
    } else if folder.join(INDEX).exists() {
        let index = read(folder, INDEX)?;
        for shard in shards(&index)? {
            let bytes = read(folder, &shard)?;
            files.insert(shard, bytes);
        }
        files.insert(INDEX.into(), index);
    } else {
        return Err(LoadError::MissingFile(WEIGHTS.into()));
    }
    Ok(files)
}

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
        beside_adapter.insert(name.clone(), read(adapter, &name)?);
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

/// A vocabulary that only a program for its own kind of tokenizer reads.
fn other_tokenizer(folder: &Path) -> Option<&'static str> {
    let has = |name: &str| folder.join(name).exists();
    let kinds = [
        (
            "tokenizer.model",
            "tokenizer.model, a SentencePiece or tiktoken vocabulary",
        ),
        ("tekken.json", "tekken.json, Mistral's own vocabulary"),
        ("vocab.txt", "vocab.txt, a WordPiece vocabulary"),
        (
            "vocab.json",
            "vocab.json and merges.txt, which do not say how texts are cut",
        ),
        ("spiece.model", "spiece.model, a SentencePiece vocabulary"),
    ];
    let found = kinds.into_iter().find(|(name, _)| has(name));
    found.map(|(_, told)| told)
}

/// Files beside `config.json` and `tokenizer.json` that say something of the tokenizer, sorted.
fn beside(folder: &Path) -> Result<Vec<String>, LoadError> {
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
    if names.len() > MAX_TEMPLATES {
        let reason = format!("{TEMPLATES} holds more than {MAX_TEMPLATES} chat templates");
        return Err(LoadError::config(reason));
    }
    names.sort_unstable();
    Ok(names)
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, LoadError> {
    read_path(&folder.join(name))
}

fn read_path(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => LoadError::MissingFile(path.display().to_string()),
        _ => LoadError::Read {
            path: path.display().to_string(),
            source,
        },
    })
}

/// The shard files an index names, each once, in order. Names that could leave the folder are
/// refused.
pub(crate) fn shards(index: &[u8]) -> Result<Vec<String>, LoadError> {
    let wrong = |reason: String| LoadError::Index(reason);
    if index.len() > 64 << 20 {
        return Err(wrong("it has more than 64 MiB".into()));
    }
    let value: Value = serde_json::from_slice(index).map_err(|e| wrong(e.to_string()))?;
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
