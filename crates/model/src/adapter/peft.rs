//! Adapters as Hugging Face PEFT writes and reads them.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::method::Method;
use super::{Adapter, Param, ParamInfo, peft_config};
use crate::config::ModelConfig;
use crate::error::{LoadError, MethodError};
use crate::files::read_file;
use crate::target::Target;
use crate::weights::TensorFile;
use assay_crypto::ReadAt;

/// The settings of a PEFT adapter.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The tensors of a PEFT adapter.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// `adapter_config.json` with another `base_model_name_or_path`: the model's folder, file or name.
/// What is no JSON object stays as it is.
pub fn name_base(config: &[u8], base_model: Option<&str>) -> Vec<u8> {
    peft_config::name_base(config, base_model).unwrap_or_else(|| config.to_vec())
}

/// What a person should know of an `adapter_config.json` that [`Adapter::from_peft_files`] reads: names
/// in it that `model` does not have, and exclusions that leave nothing out.
///
/// # Errors
/// When the settings ask for something not computed.
pub fn adapter_notes(config: &[u8], model: &ModelConfig) -> Result<Vec<String>, MethodError> {
    peft_config::notes(config, model.num_hidden_layers)
}

impl Adapter {
    /// The files of a PEFT folder: `adapter_config.json` and `adapter_model.safetensors`.
    /// `base_model` is written as `base_model_name_or_path`, where PEFT looks for the base; without
    /// it the field is null, and [`name_base`] can fill it in later.
    ///
    /// A PrivateLoRA is written as the LoRA of the same update: `lora_B` is `B M`.
    pub fn peft_files<'a>(&self, base_model: impl Into<Option<&'a str>>) -> Vec<(String, Vec<u8>)> {
        let config = peft_config::write(&self.method, base_model.into());
        vec![
            (ADAPTER_CONFIG.into(), config),
            (ADAPTER_WEIGHTS.into(), self.safetensors()),
        ]
    }

    /// Writes the PEFT folder, creating it where needed.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save_peft(&self, folder: &Path, base_model: &str) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        for (name, bytes) in self.peft_files(base_model) {
            std::fs::write(folder.join(name), bytes)?;
        }
        Ok(())
    }

    /// Reads a PEFT folder of an adapter for `model`.
    ///
    /// # Errors
    /// As [`Adapter::from_peft_files`], or when a file cannot be read.
    pub fn load_peft(folder: &Path, model: &ModelConfig) -> Result<Self, LoadError> {
        let read = |name: &str| read_file(folder, name);
        Self::from_peft_files(&read(ADAPTER_CONFIG)?, &read(ADAPTER_WEIGHTS)?, model)
    }

    /// Reads an adapter for `model` from the contents of its two files.
    ///
    /// # Errors
    /// When the settings ask for something not computed, or a tensor is missing, superfluous, of
    /// another shape, or not finite.
    pub fn from_peft_files(
        config: &[u8],
        weights: &[u8],
        model: &ModelConfig,
    ) -> Result<Self, LoadError> {
        Self::from_peft(config, &weights, model)
    }

    /// Reads an adapter for `model` from its settings, and its weights wherever they lie.
    ///
    /// # Errors
    /// As [`Adapter::from_peft_files`], and [`LoadError::Read`] when the weights cannot be read.
    pub fn from_peft(
        config: &[u8],
        weights: &dyn ReadAt,
        model: &ModelConfig,
    ) -> Result<Self, LoadError> {
        let method = peft_config::read(config, model.num_hidden_layers)?;
        let file = TensorFile::open(ADAPTER_WEIGHTS, weights)?;
        let infos = method.params(model);
        let known: HashSet<&str> = infos.iter().map(|info| info.name.as_str()).collect();
        let mut names: Vec<String> = file.names().collect();
        names.sort_unstable();
        if names.is_empty() {
            return Err(refused("it holds no tensor".to_owned()));
        }
        if let Some(foreign) = names.iter().find(|name| !known.contains(name.as_str())) {
            return Err(refused(strange(foreign, &known, model.num_hidden_layers)));
        }
        if let Some(empty) = names.iter().find(|name| file.is_empty(name)) {
            return Err(refused(format!(
                "tensor {empty} is empty: it was saved while the values lay on other devices \
                 (DeepSpeed ZeRO-3, FSDP); gather them before saving"
            )));
        }
        if let Some(missing) = infos.iter().find(|info| !names.contains(&info.name)) {
            let other = missing.name.replace("lora_A", "lora_B");
            let other = match other == missing.name {
                true => missing.name.replace("lora_B", "lora_A"),
                false => other,
            };
            return Err(refused(match names.contains(&other) {
                true => format!("tensor {} is missing, and {other} is there", missing.name),
                false => format!(
                    "tensor {} is missing, and {ADAPTER_CONFIG} says that this projection is adapted",
                    missing.name
                ),
            }));
        }
        let mut params = Vec::new();
        for info in infos {
            let values = file.get(&info.name, &peft_shape(&info));
            let values = values.map_err(|error| told(error, &info))?;
            let values = values.ok_or_else(|| LoadError::MissingTensor(info.name.clone()))?;
            params.push(Param { info, values });
        }
        Ok(Self { method, params })
    }

    /// The tensors, by their names in PEFT, f32. Bytes depend on nothing but the values.
    fn safetensors(&self) -> Vec<u8> {
        let tensors: Vec<Named> = match &self.method {
            Method::PrivateLora(private) => {
                let triples = self.params.chunks_exact(3);
                let factors = |t: &[Param]| [named(&t[0]), up_factor(t, private.r())];
                triples.flat_map(factors).collect()
            }
            _ => self.params.iter().map(named).collect(),
        };
        let bytes: BTreeMap<String, (Vec<usize>, Vec<u8>)> = (tensors.into_iter())
            .map(|(name, shape, values)| {
                let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                (name, (shape, bytes))
            })
            .collect();
        let views = bytes.iter().filter_map(|(name, (shape, bytes))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes).ok()?;
            Some((name, view))
        });
        // `transformers` looks for the format mark; sizes match by construction, so this cannot
        // fail on them.
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        safetensors::serialize(views, Some(metadata)).unwrap_or_default()
    }
}

/// An adapter whose tensors are not what its settings ask for.
fn refused(reason: String) -> LoadError {
    LoadError::Adapter(reason.chars().take(600).collect())
}

/// What is wrong with a tensor's name.
fn strange(name: &str, known: &HashSet<&str>, layers: usize) -> String {
    const PREFIX: &str = "base_model.model.";
    let of = |name: &str| known.contains(name);
    if let Some(rest) = name.strip_prefix(PREFIX) {
        // What `state_dict()` calls it, before `save_pretrained` takes the adapter's name out.
        let plain: Vec<&str> = rest.split('.').filter(|part| *part != "default").collect();
        if of(&format!("{PREFIX}{}", plain.join("."))) {
            return format!(
                "tensor {name} still carries the adapter's name; save the adapter with save_pretrained"
            );
        }
        return match Target::site_of(rest) {
            Some((layer, _)) if layer >= layers => {
                format!(
                    "tensor {name} is of layer {layer}, and the model has {layers}, counted from 0"
                )
            }
            _ => format!("tensor {name} belongs to no adapted projection of this model"),
        };
    }
    let own = name.find("layers.").map(|at| &name[at..]).unwrap_or(name);
    match of(&format!("{PREFIX}model.{own}")) {
        true => {
            let prefix = &name[..name.len() - own.len()];
            format!(
                "tensor {name} begins with {prefix:?} and not with \"{PREFIX}model.\", so the adapter \
                 was made on a model wrapped in another way; save it with save_pretrained of the \
                 model for causal language modelling"
            )
        }
        false => format!("tensor {name} belongs to no adapted projection of this model"),
    }
}

/// An adapter's tensor that cannot be read, in the words of adapters.
fn told(error: LoadError, info: &ParamInfo) -> LoadError {
    match error {
        LoadError::Shape {
            name,
            found,
            expected,
        } => {
            let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
            refused(format!(
                "tensor {name} has shape {found}, and {ADAPTER_CONFIG} and this model ask for \
                 {expected}; the adapter belongs to another model or other settings"
            ))
        }
        LoadError::Dtype { dtype, .. } => refused(format!(
            "tensor {} is stored as {dtype}; save the adapter as F32, F16 or BF16",
            info.name
        )),
        other => other,
    }
}

/// Name, shape and values of a tensor in a file.
type Named = (String, Vec<usize>, Vec<f32>);

fn named(param: &Param) -> Named {
    let info = &param.info;
    (info.name.clone(), peft_shape(info), param.values.clone())
}

/// Biases and DoRA's lengths are vectors in the files; (IA)3's factors are matrices.
fn peft_shape(info: &ParamInfo) -> Vec<usize> {
    let vector = info.name.ends_with("bias") || info.name.ends_with("magnitude_vector");
    match vector {
        true => vec![info.cols],
        false => vec![info.rows, info.cols],
    }
}

/// `B M` of a PrivateLoRA's `A, B, M`, under B's name: products summed in ascending order by fused
/// multiply-adds.
fn up_factor(triple: &[Param], r: usize) -> Named {
    let (b, m) = (&triple[1], &triple[2]);
    let cell = |row: &[f32], j: usize| {
        let terms = row.iter().zip(m.values[j..].iter().step_by(r));
        terms.fold(0.0f32, |sum, (x, y)| x.mul_add(*y, sum))
    };
    let rows = b.values.chunks_exact(r);
    let values = rows.flat_map(|row| (0..r).map(move |j| cell(row, j)));
    (b.info.name.clone(), vec![b.info.rows, r], values.collect())
}
