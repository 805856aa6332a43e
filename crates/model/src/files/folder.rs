//! What a path given as a model holds, when it is no model that can be read.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use assay_data::Foreign;

use super::file::{CONFIG, INDEX, TOKENIZER, WEIGHTS, read_path};
use crate::error::LoadError;

/// What the name of a GGUF file ends with.
const GGUF: &str = "gguf";
/// How much of a file is read to see what it is.
const HEAD: u64 = 4096;

/// Whether a name is taken, be it by a link that leads nowhere.
pub(super) fn is_there(folder: &Path, name: &str) -> bool {
    folder.join(name).symlink_metadata().is_ok()
}

fn not_a_model(path: &Path, reason: impl Into<String>) -> LoadError {
    LoadError::NotAModel {
        path: path.display().to_string(),
        reason: reason.into(),
    }
}

/// Why a path cannot be read.
pub(super) fn unreadable(path: &Path, source: std::io::Error) -> LoadError {
    let shown = path.display().to_string();
    match (source.kind(), std::fs::read_link(path)) {
        (std::io::ErrorKind::NotFound, Ok(target)) => LoadError::Dangling {
            path: shown,
            target: target.display().to_string(),
        },
        (std::io::ErrorKind::NotFound, Err(_)) => LoadError::MissingFile(shown),
        _ => LoadError::Read {
            path: shown,
            source,
        },
    }
}

/// The bytes of a GGUF file; any other file is refused by its kind, from its first bytes alone.
pub(super) fn read_gguf(path: &Path) -> Result<Vec<u8>, LoadError> {
    let mut head = Vec::new();
    let mut begin = File::open(path)
        .map_err(|source| unreadable(path, source))?
        .take(HEAD);
    begin
        .read_to_end(&mut head)
        .map_err(|source| unreadable(path, source))?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if let Some((part, parts)) = split_part(&name) {
        return Err(not_a_model(
            path,
            format!(
                "it is part {part} of {parts} of a split GGUF file; join them with `llama-gguf-split \
                 --merge FIRST-PART WHOLE.gguf` and name the whole"
            ),
        ));
    }
    let named = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case(GGUF));
    match Foreign::of(&head) {
        Some(Foreign::Gguf) => read_path(path),
        Some(found) => Err(LoadError::Foreign {
            file: path.display().to_string(),
            found,
        }),
        // Whoever reads GGUF says what is wrong with it.
        None if named => read_path(path),
        None => Err(not_a_model(
            path,
            "it is a file; name a model's folder or a .gguf file",
        )),
    }
}

/// The numbers in `NAME-00001-of-00003.gguf`, if there is more than one part.
fn split_part(name: &str) -> Option<(u32, u32)> {
    let stem = name.to_ascii_lowercase();
    let stem = stem.strip_suffix(".gguf")?;
    let (before, parts) = stem.rsplit_once("-of-")?;
    let (_, part) = before.rsplit_once('-')?;
    let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
    (parts > 1).then_some((part, parts))
}

/// Refuses a folder in which a model's files are missing, with what it holds instead.
pub(super) fn check(folder: &Path) -> Result<(), LoadError> {
    let has = |name: &str| is_there(folder, name);
    let weights = has(WEIGHTS) || has(INDEX);
    let wrong = |reason: String| Err(not_a_model(folder, reason));
    if has(CONFIG) && weights && has(TOKENIZER) {
        if has("adapter_config.json") {
            return wrong(
                "it holds a model and an adapter, and which of them is meant is not clear; move the files \
                 that begin with adapter_ to a folder of their own, and name that as the adapter"
                    .into(),
            );
        }
        return Ok(());
    }
    let entries = std::fs::read_dir(folder).map_err(|source| unreadable(folder, source))?;
    let mut names: Vec<String> = entries
        .take(10_000)
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    names.sort();
    let ends = |ending: &str| names.iter().find(|name| name.ends_with(ending));
    if names.is_empty() {
        return wrong("the folder is empty; download the model into it".into());
    }
    if let Some(snapshot) = snapshot(folder, &names) {
        let place = snapshot.display();
        return wrong(format!(
            "it is a folder of the hub's cache; the model lies in {place}: name that"
        ));
    }
    if let Some(cache) = names.iter().find(|name| name.starts_with("models--")) {
        return wrong(format!(
            "it is the hub's cache of several models; name the folder of one, such as {cache}/snapshots/..."
        ));
    }
    if has("adapter_config.json") && !has(CONFIG) {
        return wrong(
            "it is an adapter and no model; name its base as the model, and this folder as the adapter"
                .into(),
        );
    }
    if let Some(file) = ends(".gguf").filter(|_| !weights) {
        return wrong(format!(
            "it is a folder around a GGUF file; name the file itself, {file}"
        ));
    }
    if let Some(file) = names
        .iter()
        .find(|name| unfinished(name))
        .filter(|_| !weights)
    {
        return wrong(format!(
            "{file} is a download that has not finished; let it finish"
        ));
    }
    if !weights {
        return wrong(no_weights(&names));
    }
    if !has(CONFIG) {
        let other = if has("params.json") {
            "params.json of another format; download the files in Hugging Face's format"
        } else {
            "weights only; download config.json and tokenizer.json of the same model beside them"
        };
        return wrong(format!("config.json is missing: it holds {other}"));
    }
    let source = [
        "tokenizer.model",
        "vocab.json",
        "vocab.txt",
        "spiece.model",
        "tekken.json",
    ];
    match source.into_iter().find(|name| has(name)) {
        Some(found) => wrong(format!(
            "tokenizer.json is missing: it holds {found} only, the form of older programs; convert it \
             with transformers: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"
        )),
        None => wrong("tokenizer.json is missing; download it from where the model is from".into()),
    }
}

/// Why a folder has not this file of an adapter.
pub(super) fn no_adapter(folder: &Path, name: &str) -> LoadError {
    let has = |name: &str| is_there(folder, name);
    let reason = if !folder.exists() {
        "there is no such folder".into()
    } else if !folder.is_dir() {
        "it is a file; name the folder that holds adapter_config.json".into()
    } else if has("adapter_model.bin") && has("adapter_config.json") {
        "it holds adapter_model.bin, a pickle, and reading one can run any program; save the adapter \
         with save_pretrained(DIR, safe_serialization=True)"
            .into()
    } else if has(CONFIG) && !has("adapter_config.json") {
        "it is a whole model; name it as the model and leave the adapter out".into()
    } else {
        format!(
            "{name} is missing; an adapter is a folder with it and its pair, as PEFT writes them"
        )
    };
    LoadError::NotAnAdapter {
        path: folder.display().to_string(),
        reason,
    }
}

fn unfinished(name: &str) -> bool {
    [".incomplete", ".part", ".crdownload", ".aria2", ".download"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// The latest snapshot in a hub's cache folder of one model.
fn snapshot(folder: &Path, names: &[String]) -> Option<PathBuf> {
    let cache = names.iter().any(|n| n == "snapshots") && names.iter().any(|n| n == "refs");
    let inside = folder.join("snapshots");
    let place = match cache {
        true => inside.as_path(),
        // The folder of snapshots itself.
        false if folder.file_name()? == "snapshots" => folder,
        false => return None,
    };
    if let Ok(revision) = std::fs::read_to_string(folder.join("refs/main")) {
        let named = place.join(revision.trim());
        if !revision.trim().is_empty() && named.is_dir() {
            return Some(named);
        }
    }
    let mut all: Vec<PathBuf> = std::fs::read_dir(place)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    all.sort();
    all.into_iter().next()
}

/// What lies in the place of weights.
fn no_weights(names: &[String]) -> String {
    const OTHERS: [(&str, &str); 8] = [
        (
            "pytorch_model",
            "as pickles of PyTorch, and reading one can run any program",
        ),
        (
            ".pth",
            "as pickles of PyTorch, and reading one can run any program",
        ),
        (
            ".pt",
            "as pickles of PyTorch, and reading one can run any program",
        ),
        (".ckpt", "as a checkpoint of another program"),
        (".h5", "in the form of Keras"),
        (".msgpack", "in the form of Flax"),
        (".onnx", "in the form of ONNX"),
        (".pb", "in the form of TensorFlow"),
    ];
    let shard = names
        .iter()
        .find(|n| n.ends_with(".safetensors") && n.contains("-of-"));
    if let Some(shard) = shard {
        return format!(
            "{INDEX} is missing: it holds parts of the weights such as {shard}; download it"
        );
    }
    if let Some(other) = names.iter().find(|n| n.ends_with(".safetensors")) {
        return format!(
            "{WEIGHTS} is missing: it holds {other}; if those are the model's weights under Hugging \
             Face's names, rename it to {WEIGHTS}"
        );
    }
    for (part, form) in OTHERS {
        if let Some(found) = names
            .iter()
            .find(|n| n.starts_with(part) || n.ends_with(part))
        {
            return format!(
                "{WEIGHTS} is missing: it holds weights {form} ({found}); save them with \
                 save_pretrained(DIR, safe_serialization=True), or download the .safetensors files"
            );
        }
    }
    format!(
        "{WEIGHTS} is missing: it has no weights (nor {INDEX}); download the model's .safetensors files \
         into it"
    )
}

/// Refuses an index when a file it names is missing, with the number of those.
pub(super) fn check_shards(folder: &Path, names: &[String]) -> Result<(), LoadError> {
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| !is_there(folder, name))
        .collect();
    match missing.first() {
        None => Ok(()),
        Some(first) => Err(LoadError::Index(format!(
            "it names {} files of weights, and {} of them are not in the folder, such as {first}; \
             download them",
            names.len(),
            missing.len()
        ))),
    }
}
