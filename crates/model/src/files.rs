//! A model as the files of a Hugging Face folder, which a GGUF file is converted to.

mod carried;
mod file;
mod folder;
mod local;
mod source;

use std::path::Path;

pub use carried::take_adapter_tokenizer;
pub(crate) use file::{
    CHAT_TEMPLATE, CONFIG, GENERATION_CONFIG, INDEX, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS,
};
pub use file::{ModelFiles, read_file};
pub use source::ModelSource;

use crate::error::LoadError;

/// Reads the files of a model folder that matter into memory: see [`ModelSource::open`].
///
/// # Errors
/// As [`ModelSource::open`].
pub fn read_model_folder(folder: &Path) -> Result<ModelFiles, LoadError> {
    ModelSource::open(folder)?.into_files()
}
