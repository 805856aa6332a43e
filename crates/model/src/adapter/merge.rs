//! Putting an adapter into the model it belongs to.

use assay_kernel::{Kernel, MatMut, MatRef, Store};

use serde_json::Value;

use super::check::{add_update, check_lengths};
use super::method::Method;
use super::{Adapter, Param};
use crate::base::Base;
use crate::config::ModelConfig;
use crate::error::MethodError;
use crate::fault::first_fault_of;
use crate::files::{self, ModelFiles};
use crate::spec::ModelSpec;
use crate::target::Target;

impl Adapter {
    /// The base with this adapter in its own tensors, so that it needs none any more. Its results
    /// are those of base and adapter up to rounding.
    ///
    /// BitFit gives biases to projections that had none, which the configuration then says.
    ///
    /// # Errors
    /// When the adapter does not fit the base, DoRA would divide by a row of length zero, or a value of
    /// the result is no number.
    pub fn merge(&self, kernel: &Kernel, base: &Base) -> Result<Base, MethodError> {
        if let Some(reason) = self.mismatch(&self.method, base.config()) {
            return Err(MethodError::OtherModel(reason));
        }
        if matches!(self.method, Method::BitFit(_)) {
            return Ok(self.merge_biases(base));
        }
        if self.method == Method::Full {
            let values = self.params.iter().map(|p| p.values.clone());
            return Ok(base.with_weights(values.collect()));
        }
        let mut weights = base.weights();
        let per_target = self.method.params_per_target();
        let mut params = self.params.chunks_exact(per_target);
        for layer in 0..base.config().num_hidden_layers {
            for target in self.method.targets_at(layer).iter() {
                let linear = base.spec().layers[layer].linear(target);
                let Some(params) = params.next() else { break };
                let shape = (linear.out, linear.input);
                let weight = &mut weights[linear.weight.index()];
                let lengths = self.merge_one(kernel, (layer, target), params, shape, weight);
                check_lengths(&lengths, layer, target)?;
                if let Some((row, _)) = first_fault_of(weight, linear.input) {
                    let name = base.spec().weights()[linear.weight.index()].name.clone();
                    return Err(MethodError::MergedNotFinite { name, row });
                }
                if let (Method::Ia3(ia3), Some(bias)) = (&self.method, linear.bias)
                    && !ia3.feedforward_modules().at(layer).contains(target)
                {
                    let values = &mut weights[bias.index()];
                    scale_each(values, &params[0].values);
                    if let Some((row, _)) = first_fault_of(values, 1) {
                        let name = base.spec().weights()[bias.index()].name.clone();
                        return Err(MethodError::MergedNotFinite { name, row });
                    }
                }
            }
        }
        Ok(base.with_weights(weights))
    }

    /// Changes one weight, `[out, in]`; returns the lengths that were divided by, if any.
    fn merge_one(
        &self,
        kernel: &Kernel,
        (layer, target): (usize, Target),
        params: &[Param],
        (out, input): (usize, usize),
        weight: &mut [f32],
    ) -> Vec<f32> {
        let mut divided = Vec::new();
        let add = |up: &[f32], down: &[f32], r: usize, weight: &mut [f32]| {
            let (up, down) = (
                MatRef::row_major(up, out, r),
                MatRef::row_major(down, r, input),
            );
            let mut sum = MatMut::row_major(weight, out, input);
            kernel.gemm(up, down, &mut sum, Store::Accumulate);
        };
        match &self.method {
            Method::Lora(lora) => {
                add_update(
                    kernel,
                    (&params[0], &params[1]),
                    lora.scale_at(layer, target),
                    weight,
                );
                if let Some(lengths) = params.get(2) {
                    let mut norms = vec![0.0; out];
                    kernel.row_norms(weight, input, &mut norms);
                    let gains = lengths.values.iter().zip(&norms).map(|(m, n)| m / n);
                    for (row, gain) in weight.chunks_exact_mut(input).zip(gains) {
                        kernel.scale(row, gain);
                    }
                    divided = norms;
                }
            }
            Method::PrivateLora(private) => {
                let r = private.r();
                let mut up = vec![0.0; out * r];
                let b = MatRef::row_major(&params[1].values, out, r);
                let m = MatRef::row_major(&params[2].values, r, r);
                let mut product = MatMut::row_major(&mut up, out, r);
                kernel.gemm(b, m, &mut product, Store::Overwrite);
                kernel.scale(&mut up, private.scale());
                add(&up, &params[0].values, r, weight);
            }
            Method::Ia3(_) if params[0].info.rows == 1 => {
                for row in weight.chunks_exact_mut(input) {
                    scale_each(row, &params[0].values);
                }
            }
            Method::Ia3(_) => {
                for (row, factor) in weight.chunks_exact_mut(input).zip(&params[0].values) {
                    kernel.scale(row, *factor);
                }
            }
            Method::BitFit(_) | Method::Full => {}
        }
        divided
    }

    fn merge_biases(&self, base: &Base) -> Base {
        let mut config = base.config().clone();
        let layers = || 0..config.num_hidden_layers;
        let any = |all: &[Target]| {
            let has = |layer| {
                let targets = self.method.targets_at(layer);
                all.iter().any(|target| targets.contains(*target))
            };
            layers().any(has)
        };
        let qkv = any(&[Target::QProj, Target::KProj, Target::VProj]);
        let o = any(&[Target::OProj]);
        // One field of Llama's configuration stands for the biases of all four; Qwen2's has three.
        config.o_bias |= o || (qkv && !config.qkv_bias);
        config.qkv_bias |= qkv || o;
        config.mlp_bias |= any(&[Target::GateProj, Target::UpProj, Target::DownProj]);
        let values = self
            .params
            .iter()
            .map(|p| (p.info.name.as_str(), &*p.values));
        base.with_config(config, &values.collect())
    }
}

/// What goes with an adapter, from the files of its base: everything that says how texts become
/// tokens, and `template`, the chat format it was taught, where the base brings none of its own.
///
/// PEFT passes these files over; `AutoTokenizer` and other programs find them beside the adapter.
pub fn carried_files(files: &ModelFiles, template: Option<&str>) -> ModelFiles {
    let settings = [files::CONFIG, files::GENERATION_CONFIG];
    let mut carried: ModelFiles = (files.iter())
        .filter(|(name, _)| assay_data::is_tokenizer_file(name))
        // With these two the folder would pass for a whole model.
        .filter(|(name, _)| !settings.contains(&name.as_str()))
        .map(|(name, bytes)| (name.clone(), bytes.clone()))
        .collect();
    if let Some(template) = template {
        carried.insert(files::CHAT_TEMPLATE.into(), template.into());
    }
    carried
}

/// The folder of a model with an adapter merged into it, from the folder of the base: the same
/// configuration, tokenizer and template, and the weights in f32.
///
/// # Errors
/// When the adapter does not fit the base, or gives biases to a model whose `config.json` cannot
/// say so.
pub fn merged_files(
    kernel: &Kernel,
    base: &Base,
    mut files: ModelFiles,
    adapter: &Adapter,
) -> Result<ModelFiles, MethodError> {
    let config = files.get(files::CONFIG).map(Vec::as_slice);
    let family = family(config.unwrap_or_default());
    let biases = biases_without_field(adapter.method(), base.config(), &family);
    if !biases.is_empty() {
        let reason = no_field(&biases);
        return Err(MethodError::Setting(format!(
            "{reason}, so the adapter cannot be merged; use it beside its model"
        )));
    }
    let merged = adapter.merge(kernel, base)?;
    files.retain(|name, _| !name.ends_with(".safetensors") && name != files::INDEX);
    let config = files
        .get(files::CONFIG)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let config = merged_config(config, base.config(), merged.config())?;
    files.insert(files::CONFIG.into(), config);
    files.insert(files::WEIGHTS.into(), merged.safetensors());
    Ok(files)
}

/// The projections in which BitFit trains a bias that the model has not, where `config.json` cannot
/// say so: Llama's alone has fields for it.
fn biases_without_field(method: &Method, model: &ModelConfig, family: &Value) -> Vec<Target> {
    if !matches!(method, Method::BitFit(_)) || family == "llama" {
        return Vec::new();
    }
    let spec = ModelSpec::new(model);
    let lacks_field = |target: &Target| {
        let layers = spec.layers.iter().enumerate();
        let mut trained = layers.filter(|(at, _)| method.targets_at(*at).contains(*target));
        trained.any(|(_, layer)| layer.linear(*target).bias.is_none())
    };
    Target::ALL.into_iter().filter(lacks_field).collect()
}

/// What a person should know before such an adapter is trained: that it cannot be merged into its
/// model, which is the one that this `config.json` describes.
pub fn merge_note(method: &Method, model: &ModelConfig, config: &[u8]) -> Option<String> {
    let biases = biases_without_field(method, model, &family(config));
    let note = "`assay merge` will refuse this adapter, which can be used beside its model only";
    (!biases.is_empty()).then(|| format!("{note}: {}", no_field(&biases)))
}

/// Why biases cannot be merged.
fn no_field(biases: &[Target]) -> String {
    let names: Vec<&str> = biases.iter().map(|target| target.name()).collect();
    format!(
        "bitfit trains biases of {}, and config.json of this model's family has no field for them",
        names.join(", ")
    )
}

/// `model_type` in a `config.json`; null where it cannot be read.
fn family(config: &[u8]) -> Value {
    let value = serde_json::from_slice(config);
    value.map_or(Value::Null, |value: Value| value["model_type"].clone())
}

/// `config.json` of the merged model.
fn merged_config(
    json: &[u8],
    before: &ModelConfig,
    after: &ModelConfig,
) -> Result<Vec<u8>, MethodError> {
    let failed = |reason: &str| MethodError::OtherModel(format!("config.json {reason}"));
    let value: Value = serde_json::from_slice(json).map_err(|e| failed(&e.to_string()))?;
    let Value::Object(mut fields) = value else {
        return Err(failed("is no object"));
    };
    let attention = |config: &ModelConfig| (config.qkv_bias, config.o_bias);
    if attention(before) != attention(after) {
        fields.insert("attention_bias".into(), true.into());
    }
    if before.mlp_bias != after.mlp_bias {
        fields.insert("mlp_bias".into(), true.into());
    }
    for name in ["dtype", "torch_dtype"] {
        if let Some(dtype) = fields.get_mut(name) {
            *dtype = "float32".into();
        }
    }
    fields.sort_keys();
    let mut text = format!("{:#}", Value::Object(fields));
    text.push('\n');
    Ok(text.into_bytes())
}

fn scale_each(row: &mut [f32], factors: &[f32]) {
    for (value, factor) in row.iter_mut().zip(factors) {
        *value *= factor;
    }
}
