//! From a GGUF file to the files of a model folder.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use assay_data::Tokenizer;
use half::{bf16, f16};
use safetensors::{Dtype, View};

use super::config::{Architecture, config, generation_config};
use super::error::GgufError;
use super::file::{GgufFile, GgufTensor};
use super::json::pretty;
use super::names::{gguf_name, interleaved};
use super::{rope, tokenizer};
use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::files::{self, ModelFiles};
use crate::spec::ModelSpec;

/// How converted weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// 32-bit floats: exactly the dequantised values.
    #[default]
    F32,
    /// 16-bit floats: values are rounded to the nearest, ties to even.
    F16,
    /// The upper halves of 32-bit floats: values are rounded to the nearest, ties to even.
    Bf16,
}

impl Storage {
    pub(super) fn torch_name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
        }
    }

    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::BF16,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Appends a value; false if it is out of range.
    fn put(self, value: f32, out: &mut Vec<u8>) -> bool {
        match self {
            Self::F32 => out.extend(value.to_le_bytes()),
            Self::F16 => {
                let narrow = f16::from_f32(value);
                out.extend(narrow.to_le_bytes());
                return narrow.is_finite();
            }
            Self::Bf16 => {
                let narrow = bf16::from_f32(value);
                out.extend(narrow.to_le_bytes());
                return narrow.is_finite();
            }
        }
        true
    }
}

/// Converts a GGUF file of the architecture llama or qwen2 into the files of a Hugging Face model folder:
/// `config.json`, `generation_config.json`, `model.safetensors`, `tokenizer.json` and
/// `tokenizer_config.json` with the chat template. The same bytes give the same files everywhere.
///
/// Memory: the result, and one tensor more.
///
/// # Errors
/// When the file is damaged, asks for something this program does not compute, or holds a
/// tokenizer that is not known: the message names the key or the tensor.
pub fn convert(bytes: &[u8], storage: Storage) -> Result<ModelFiles, LoadError> {
    let file = GgufFile::open(bytes)?;
    let settings = pretty(&config(&file, storage)?)?;
    let model = ModelConfig::from_json(&settings)?;
    let (json, tokenizer_config) = tokenizer::files(&file.keys, model.max_position_embeddings)?;
    // What is refused now would be refused when the folder is loaded, which may be elsewhere.
    let tokenizer = Tokenizer::from_files(&json, Some(&tokenizer_config), None)?;
    if tokenizer.id_limit() as usize > model.vocab_size {
        return Err(LoadError::Vocabulary {
            highest: tokenizer.id_limit() - 1,
            vocab_size: model.vocab_size,
        });
    }
    let generation = pretty(&generation_config(&file)?)?;
    let weights = weights(&file, &model, storage)?;
    Ok(ModelFiles::from([
        (files::CONFIG.into(), settings),
        (files::GENERATION_CONFIG.into(), generation),
        (files::WEIGHTS.into(), weights),
        (files::TOKENIZER.into(), json),
        (files::TOKENIZER_CONFIG.into(), tokenizer_config),
    ]))
}

/// `model.safetensors`.
fn weights(
    file: &GgufFile<'_>,
    model: &ModelConfig,
    storage: Storage,
) -> Result<Vec<u8>, GgufError> {
    let spec = ModelSpec::new(model);
    let interleaves = Architecture::of(file)?.interleaves();
    let problem = RefCell::new(None);
    // What it says stands in the settings.
    let mut used = BTreeSet::from([rope::FACTORS.to_owned()]);
    let mut converted = Vec::new();
    for info in spec.weights() {
        let missing = || GgufError::MissingTensor(info.name.clone());
        let name = gguf_name(&info.name).ok_or_else(missing)?;
        let tensor = file.tensor(&name);
        let tensor = tensor.ok_or_else(|| GgufError::MissingTensor(name.clone()))?;
        if tensor.shape() != info.shape {
            return Err(GgufError::Shape {
                name,
                found: tensor.shape().to_vec(),
                expected: info.shape.clone(),
            });
        }
        let rotated = interleaves && (name.contains(".attn_q.") || name.contains(".attn_k."));
        let view = Converted {
            name: name.clone(),
            tensor,
            interleaved: rotated.then_some(model.head_dim),
            storage,
            problem: &problem,
        };
        converted.push((info.name.as_str(), view));
        used.insert(name);
    }
    if let Some((name, _)) = file.tensors().find(|(name, _)| !used.contains(*name)) {
        return Err(GgufError::UnknownTensor(name.to_owned()));
    }
    let format = [("format".to_owned(), "pt".to_owned())];
    let bytes = safetensors::serialize(converted, Some(format.into()));
    match (problem.into_inner(), bytes) {
        (Some(problem), _) => Err(problem),
        (None, Ok(bytes)) => Ok(bytes),
        (None, Err(error)) => Err(GgufError::Damaged(error.to_string())),
    }
}

/// A tensor that is dequantised when it is written.
struct Converted<'a> {
    name: String,
    tensor: &'a GgufTensor<'a>,
    /// The width of heads whose rows are to be put back in order.
    interleaved: Option<usize>,
    storage: Storage,
    /// The first thing that was wrong with a value of any tensor.
    problem: &'a RefCell<Option<GgufError>>,
}

impl View for Converted<'_> {
    fn dtype(&self) -> Dtype {
        self.storage.dtype()
    }

    fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }

    fn data_len(&self) -> usize {
        self.shape().iter().product::<usize>() * self.storage.bytes()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        // A bias of queries or keys has its values in the order of their rows.
        if let ([_], Some(dim)) = (self.shape(), self.interleaved) {
            let values = self.tensor.values();
            let mut out = Vec::with_capacity(self.data_len());
            for to in 0..values.len() {
                let from = interleaved(to, dim);
                let value = values.get(from).copied().unwrap_or_default();
                let fits = self.storage.put(value, &mut out);
                if !value.is_finite() || !fits {
                    self.report(value, (0, from));
                }
            }
            return Cow::Owned(out);
        }
        let width = self.shape().last().copied().unwrap_or_default();
        let mut row = vec![0.0; width];
        let mut out = Vec::with_capacity(self.data_len());
        for to in 0..self.tensor.rows() {
            let from = self.interleaved.map_or(to, |dim| interleaved(to, dim));
            self.tensor.row(from, &mut row);
            for (i, value) in row.iter().enumerate() {
                let fits = self.storage.put(*value, &mut out);
                if !value.is_finite() || !fits {
                    self.report(*value, (from, i));
                }
            }
        }
        Cow::Owned(out)
    }
}

impl Converted<'_> {
    fn report(&self, value: f32, (row, column): (usize, usize)) {
        let name = self.name.clone();
        let problem = match value.is_finite() {
            false => GgufError::NotFinite { name, row, column },
            true => GgufError::Range {
                name,
                value: value.to_string(),
            },
        };
        self.problem.borrow_mut().get_or_insert(problem);
    }
}
