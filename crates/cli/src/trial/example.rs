//! The example that the demo runs, carried in the binary so that it works from any directory.

use std::path::Path;

use super::failed;
use crate::failure::Failure;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../../examples/", $name)).as_slice())),*]
    };
}

const FILES: [(&str, &[u8]); 11] = files![
    "finetune.toml",
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
