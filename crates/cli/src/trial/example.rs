//! The example that the demo runs, carried in the binary so that it works from any directory.

use std::path::{Path, PathBuf};

use super::failed;
use crate::failure::{Failure, Kind};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../../examples/", $name)).as_slice())),*]
    };
}

const FILES: [(&str, &[u8]); 13] = files![
    "finetune.toml",
    "evaluate.toml",
    "smollm2.toml",
    "dialogue/NOTICE",
    "dialogue/train.jsonl",
    "dialogue/heldout.jsonl",
    "glassllm/LICENSE",
    "glassllm/NOTICE",
    "glassllm/config.json",
    "glassllm/generation_config.json",
    "glassllm/model.safetensors",
    "glassllm/tokenizer.json",
    "glassllm/tokenizer_config.json",
];

/// The folder that `cargo xtask fetch-smollm2` makes.
fn smollm2() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let root = set("XDG_CACHE_HOME").map(PathBuf::from);
    let root = root.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")));
    Some(root?.join("assay/smollm2"))
}

/// Makes the job of the larger example, below `dir`, one on this model: `smollm2`, or a folder.
/// Returns the job file.
pub(crate) fn on_model(dir: &Path, model: &str) -> Result<PathBuf, Failure> {
    let folder = match model {
        "smollm2" => smollm2().unwrap_or_else(|| PathBuf::from(model)),
        folder => std::path::absolute(folder).map_err(failed)?,
    };
    if !folder.join("config.json").is_file() {
        let text = format!("{} is no model folder", folder.display());
        let failure = Failure::say(Kind::NotFound, text);
        return Err(failure.hint(match model {
            "smollm2" => "run `cargo xtask fetch-smollm2` in Assay's checkout; it downloads 93 MB",
            _ => "name a Hugging Face folder with config.json, weights and tokenizer.json",
        }));
    }
    let path = dir.join("smollm2.toml");
    let job = std::fs::read_to_string(&path).map_err(failed)?;
    // A TOML string is written like a Rust one as far as paths go.
    let job = job.replacen(
        "\"smollm2\"",
        &format!("{:?}", folder.display().to_string()),
        1,
    );
    std::fs::write(&path, job).map_err(failed)?;
    Ok(path)
}

/// Writes the example below `dir`.
pub(crate) fn unpack(dir: &Path) -> Result<(), Failure> {
    for (name, bytes) in FILES {
        let path = dir.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        std::fs::write(path, bytes).map_err(failed)?;
    }
    Ok(())
}
