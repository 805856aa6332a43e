//! A model whose weights are read where they lie.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use assay_crypto::ReadAt;

use super::file::{CONFIG, INDEX, ModelFiles, TOKENIZER, WEIGHTS, check_kind, read_file, shards};
use super::local::LocalFile;
use super::{carried, folder};
use crate::error::LoadError;
use crate::gguf;

/// What the name of a file of weights ends with.
const ENDING: &str = ".safetensors";
/// How much of a file is read to see what it is.
const HEAD: u64 = 4_096;

/// A model as its files: those that say what it is, in memory, and its weights, which are many times
/// as long, wherever they lie.
#[derive(Clone, Default)]
pub struct ModelSource {
    /// Every file but the weights.
    pub files: ModelFiles,
    /// The files of weights by name.
    pub weights: BTreeMap<String, Arc<dyn ReadAt>>,
}

impl From<ModelFiles> for ModelSource {
    fn from(files: ModelFiles) -> Self {
        let mut source = Self::default();
        for (name, bytes) in files {
            if Self::is_weights(&name) {
                source.weights.insert(name, Arc::new(bytes));
            } else {
                source.files.insert(name, bytes);
            }
        }
        source
    }
}

impl ModelSource {
    /// Whether a file of this name holds weights.
    pub fn is_weights(name: &str) -> bool {
        name.ends_with(ENDING)
    }

    /// Opens a model folder and reads the files in it that matter: `config.json`, `tokenizer.json`,
    /// and where present every other file that says something of the tokenizer or its chat templates
    /// ([`assay_data::is_tokenizer_file`]). The weights (one file, or the shards that an index names)
    /// are opened and not read. Nothing else in the folder is touched.
    ///
    /// A path that ends with `.gguf`, or a file that begins as one, is a file, and what it converts
    /// to, stored as f32, is in memory: the same files as from a folder made by [`gguf::convert`]
    /// before.
    ///
    /// # Errors
    /// When a needed file is missing, cannot be read or is another kind of file, the index is
    /// malformed, or a GGUF file cannot be converted.
    pub fn open(folder: &Path) -> Result<Self, LoadError> {
        if !folder.is_dir() {
            let converted = gguf::convert(&folder::read_gguf(folder)?, gguf::Storage::F32);
            return converted.map(Self::from);
        }
        folder::check(folder)?;
        let mut source = Self::default();
        let files = &mut source.files;
        for name in [CONFIG, TOKENIZER] {
            files.insert(name.into(), read_file(folder, name)?);
        }
        for name in carried::beside(folder)? {
            files.insert(name.clone(), read_file(folder, &name)?);
        }
        let whole = folder::is_there(folder, WEIGHTS);
        if !whole {
            files.insert(INDEX.into(), read_file(folder, INDEX)?);
        }
        let shards = match whole {
            true => vec![WEIGHTS.to_owned()],
            false => source.shards()?,
        };
        folder::check_shards(folder, &shards)?;
        for name in shards {
            let file = open_weights(folder, &name)?;
            source.weights.insert(name, Arc::new(file));
        }
        Ok(source)
    }

    /// The files of weights that the model is made of: one, or those that its index names.
    pub(crate) fn shards(&self) -> Result<Vec<String>, LoadError> {
        if self.weights.contains_key(WEIGHTS) {
            return Ok(vec![WEIGHTS.to_owned()]);
        }
        let index = self.files.get(INDEX);
        shards(index.ok_or_else(|| LoadError::MissingFile(WEIGHTS.into()))?)
    }

    /// Everything in memory, weights too.
    ///
    /// # Errors
    /// [`LoadError::Read`] when weights cannot be read.
    pub fn into_files(self) -> Result<ModelFiles, LoadError> {
        let mut files = self.files;
        for (name, weights) in self.weights {
            let mut bytes = vec![0; weights.length() as usize];
            let read = weights.read_at(0, &mut bytes);
            read.map_err(|source| LoadError::Read {
                path: name.clone(),
                source,
            })?;
            files.insert(name, bytes);
        }
        Ok(files)
    }
}

/// Opens a file of weights, and refuses one that is visibly something else.
fn open_weights(folder: &Path, name: &str) -> Result<LocalFile, LoadError> {
    let path = folder.join(name);
    let file = LocalFile::open(&path)?;
    let mut head = vec![0; file.length().min(HEAD) as usize];
    let read = file.read_at(0, &mut head);
    read.map_err(|source| folder::unreadable(&path, source))?;
    check_kind(name, &head)?;
    Ok(file)
}
