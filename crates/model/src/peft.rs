//! Adapters as Hugging Face PEFT writes and reads them.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::adapter::{Adapter, Param};
use crate::config::ModelConfig;
use crate::error::{LoadError, LoraError};
use crate::lora::{LoraConfig, Target};
use crate::weights::TensorFile;

/// The settings of a PEFT adapter.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The matrices of a PEFT adapter.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

impl Adapter {
    /// The files of a PEFT folder: `adapter_config.json` and `adapter_model.safetensors`.
    /// `base_model` is written as `base_model_name_or_path`, where PEFT looks for the base.
    pub fn peft_files(&self, base_model: &str) -> Vec<(String, Vec<u8>)> {
        vec![
            (ADAPTER_CONFIG.into(), config_json(&self.config, base_model)),
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
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| LoadError::Read {
                path: path.display().to_string(),
                source,
            })
        };
        Self::from_peft_files(&read(ADAPTER_CONFIG)?, &read(ADAPTER_WEIGHTS)?, model)
    }

    /// Reads an adapter for `model` from the contents of its two files.
    ///
    /// # Errors
    /// When the settings ask for something not computed, or a matrix is missing, superfluous, of
    /// another shape, or not finite.
    pub fn from_peft_files(
        config: &[u8],
        weights: &[u8],
        model: &ModelConfig,
    ) -> Result<Self, LoadError> {
        let config = read_config(config)?;
        let file = TensorFile::open(ADAPTER_WEIGHTS, weights)?;
        let mut params = Vec::new();
        for info in config.params(model) {
            let values = file.get(&info.name, &[info.rows, info.cols])?;
            let values = values.ok_or_else(|| LoadError::MissingTensor(info.name.clone()))?;
            params.push(Param { info, values });
        }
        let known = |name: &str| params.iter().any(|p: &Param| p.info.name == name);
        if let Some(extra) = file.names().find(|name| !known(name)) {
            let reason = format!("tensor {extra} belongs to no adapted projection of this model");
            return Err(LoadError::Safetensors {
                file: ADAPTER_WEIGHTS.into(),
                reason: reason.chars().take(300).collect(),
            });
        }
        Ok(Self { config, params })
    }

    /// The matrices, by their names in PEFT, f32. Bytes depend on nothing but the values.
    fn safetensors(&self) -> Vec<u8> {
        let bytes: BTreeMap<&str, (Vec<usize>, Vec<u8>)> = (self.params.iter())
            .map(|p| {
                let bytes = p.values.iter().flat_map(|v| v.to_le_bytes()).collect();
                (
                    p.info.name.as_str(),
                    (vec![p.info.rows, p.info.cols], bytes),
                )
            })
            .collect();
        let views = bytes.iter().filter_map(|(name, (shape, bytes))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes).ok()?;
            Some((*name, view))
        });
        // `transformers` looks for the format mark; sizes match by construction, so this cannot
        // fail on them.
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        safetensors::serialize(views, Some(metadata)).unwrap_or_default()
    }
}

fn config_json(config: &LoraConfig, base_model: &str) -> Vec<u8> {
    let targets: Vec<&str> = config.target_modules().map(Target::name).collect();
    let value = json!({
        "base_model_name_or_path": base_model,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": config.lora_alpha(),
        "lora_dropout": 0.0,
        "modules_to_save": null,
        "peft_type": "LORA",
        "r": config.r(),
        "rank_pattern": {},
        "alpha_pattern": {},
        "layers_pattern": null,
        "layers_to_transform": null,
        "revision": null,
        "target_modules": targets,
        "task_type": "CAUSAL_LM",
        "use_dora": false,
        "use_rslora": false,
    });
    let mut text = format!("{value:#}");
    text.push('\n');
    text.into_bytes()
}

fn read_config(bytes: &[u8]) -> Result<LoraConfig, LoraError> {
    let wrong = |reason: String| LoraError::Unsupported(reason.chars().take(200).collect());
    if bytes.len() > 1 << 20 {
        return Err(wrong("it has more than 1 MiB".into()));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
    let plain = |name: &str, accepted: &[Value]| {
        let found = &value[name];
        if found.is_null() || accepted.contains(found) {
            return Ok(());
        }
        Err(wrong(format!("{name} is {found}; this is not computed")))
    };
    if value["peft_type"] != "LORA" {
        return Err(wrong(format!(
            "peft_type is {}; only LORA is computed",
            value["peft_type"]
        )));
    }
    plain("task_type", &["CAUSAL_LM".into()])?;
    plain("bias", &["none".into()])?;
    plain("modules_to_save", &[json!([])])?;
    plain("layers_to_transform", &[json!([])])?;
    plain("rank_pattern", &[json!({})])?;
    plain("alpha_pattern", &[json!({})])?;
    for name in ["fan_in_fan_out", "use_dora", "use_rslora", "lora_bias"] {
        plain(name, &[false.into()])?;
    }
    let whole = |name: &str| {
        let number = value[name]
            .as_f64()
            .filter(|x| *x >= 0.0 && x.fract() == 0.0);
        number.map(|x| x as u64).ok_or_else(|| {
            wrong(format!(
                "{name} is {}; it must be a whole number",
                value[name]
            ))
        })
    };
    let Some(targets) = value["target_modules"].as_array() else {
        let found = &value["target_modules"];
        return Err(wrong(format!(
            "target_modules is {found}; it must be a list of names"
        )));
    };
    let names: Vec<&str> = targets
        .iter()
        .map(|t| t.as_str().unwrap_or_default())
        .collect();
    // Dropout does nothing to a finished adapter, so whatever it was trained with is accepted.
    LoraConfig::new(whole("r")?, whole("lora_alpha")?, 0.0, &names)
}
