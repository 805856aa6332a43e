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
pub(crate) const GENERATION_CONFIG: &str = "generation_config.json";
pub(crate) const CHAT_TEMPLATE: &str = "chat_template.jinja";

/// The contents of the files a model is made of, by name.
pub type ModelFiles = BTreeMap<String, Vec<u8>>;

/// Reads the files of a model folder that matter: `config.json`, the weights (one file, or the
/// shards their index names), `tokenizer.json`, and where present `tokenizer_config.json`,
/// `generation_config.json` and `chat_template.jinja`. Nothing else in the folder is opened.
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
    for name in [CONFIG, TOKENIZER] {
        files.insert(name.into(), read(folder, name)?);
    }
    for name in [TOKENIZER_CONFIG, GENERATION_CONFIG, CHAT_TEMPLATE] {
        if folder.join(name).exists() {
            files.insert(name.into(), read(folder, name)?);
        }
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
