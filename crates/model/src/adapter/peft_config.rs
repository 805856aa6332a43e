//! `adapter_config.json` as Hugging Face PEFT writes and reads it.

use serde_json::{Value, json};

use super::method::{BitFitConfig, Ia3Config, LoraConfig, Method};
use crate::error::MethodError;

/// Longest settings that are read.
const MAX_BYTES: usize = 1 << 20;

/// The settings of an adapter in PEFT's words.
///
/// PEFT knows neither BitFit nor PrivateLoRA nor full fine-tuning. PrivateLoRA becomes the LoRA of
/// the same update; the other two carry `peft_type` of our own, which PEFT refuses by name.
pub(super) fn write(method: &Method, base_model: Option<&str>) -> Vec<u8> {
    let targets = method.target_modules().names();
    let mut value = json!({
        "base_model_name_or_path": base_model,
        "inference_mode": true,
        "modules_to_save": null,
        "revision": null,
        "target_modules": targets,
        "task_type": "CAUSAL_LM",
    });
    let settings = match method {
        Method::Lora(lora) => lora_settings(
            lora.r(),
            lora.lora_alpha(),
            lora.lora_dropout(),
            (lora.use_rslora(), lora.use_dora()),
        ),
        Method::PrivateLora(private) => {
            lora_settings(private.r(), private.lora_alpha(), 0.0, (false, false))
        }
        Method::Ia3(ia3) => json!({
            "peft_type": "IA3",
            "fan_in_fan_out": false,
            "feedforward_modules": ia3.feedforward_modules().names(),
            "init_ia3_weights": true,
        }),
        Method::BitFit(_) => json!({"peft_type": "BITFIT"}),
        Method::Full => json!({"peft_type": "FULL"}),
    };
    if let (Some(value), Value::Object(settings)) = (value.as_object_mut(), settings) {
        value.extend(settings);
    }
    written(&value)
}

/// The settings with another base; none if they are no JSON object.
pub(super) fn name_base(config: &[u8], base_model: Option<&str>) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(config).ok()?;
    let fields = value.as_object_mut()?;
    fields.insert("base_model_name_or_path".into(), base_model.into());
    Some(written(&value))
}

fn written(value: &Value) -> Vec<u8> {
    let mut text = format!("{value:#}");
    text.push('\n');
    text.into_bytes()
}

fn lora_settings(r: usize, alpha: u32, dropout: f32, (rslora, dora): (bool, bool)) -> Value {
    json!({
        "peft_type": "LORA",
        "alpha_pattern": {},
        "bias": "none",
        "fan_in_fan_out": false,
        "init_lora_weights": true,
        "layers_pattern": null,
        "layers_to_transform": null,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "r": r,
        "rank_pattern": {},
        "use_dora": dora,
        "use_rslora": rslora,
    })
}

/// Reads the settings of a LoRA, DoRA, (IA)3 or BitFit adapter.
///
/// # Errors
/// When the settings ask for something not computed; the message names the field.
pub(super) fn read(bytes: &[u8]) -> Result<Method, MethodError> {
    if bytes.len() > MAX_BYTES {
        return Err(wrong("it has more than 1 MiB".into()));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
    plain(&value, "task_type", &["CAUSAL_LM".into()])?;
    plain(&value, "modules_to_save", &[json!([])])?;
    plain(&value, "fan_in_fan_out", &[false.into()])?;
    let targets = names(&value, "target_modules")?;
    match value["peft_type"].as_str() {
        Some("LORA") => read_lora(&value, &targets).map(Method::Lora),
        Some("IA3") => {
            let feedforward = match value["feedforward_modules"] {
                Value::Null => Vec::new(),
                _ => names(&value, "feedforward_modules")?,
            };
            Ia3Config::new(&targets, &feedforward).map(Method::Ia3)
        }
        Some("BITFIT") => BitFitConfig::new(&targets).map(Method::BitFit),
        _ => Err(wrong(format!(
            "peft_type is {}; LORA, IA3 and BITFIT are computed",
            value["peft_type"]
        ))),
    }
}

fn read_lora(value: &Value, targets: &[&str]) -> Result<LoraConfig, MethodError> {
    plain(value, "bias", &["none".into()])?;
    plain(value, "layers_to_transform", &[json!([])])?;
    plain(value, "rank_pattern", &[json!({})])?;
    plain(value, "alpha_pattern", &[json!({})])?;
    plain(value, "lora_bias", &[false.into()])?;
    let flag = |name: &str| {
        plain(value, name, &[false.into(), true.into()])?;
        Ok(value[name] == true)
    };
    // Dropout does nothing to a finished adapter, so whatever it was trained with is accepted.
    LoraConfig::new(
        whole(value, "r")?,
        whole(value, "lora_alpha")?,
        0.0,
        targets,
    )?
    .with_rslora(flag("use_rslora")?)
    .with_dora(flag("use_dora")?)
}

fn wrong(reason: String) -> MethodError {
    MethodError::Unsupported(reason.chars().take(200).collect())
}

/// Refuses a field that is neither absent nor one of these.
fn plain(value: &Value, name: &str, accepted: &[Value]) -> Result<(), MethodError> {
    let found = &value[name];
    if found.is_null() || accepted.contains(found) {
        return Ok(());
    }
    Err(wrong(format!("{name} is {found}; this is not computed")))
}

fn whole(value: &Value, name: &str) -> Result<u64, MethodError> {
    let found = &value[name];
    let number = found.as_f64().filter(|x| *x >= 0.0 && x.fract() == 0.0);
    let number = number.map(|x| x as u64);
    number.ok_or_else(|| wrong(format!("{name} is {found}; it must be a whole number")))
}

fn names<'a>(value: &'a Value, name: &str) -> Result<Vec<&'a str>, MethodError> {
    let found = &value[name];
    let Some(names) = found.as_array() else {
        return Err(wrong(format!(
            "{name} is {found}; it must be a list of names"
        )));
    };
    Ok(names
        .iter()
        .map(|name| name.as_str().unwrap_or_default())
        .collect())
}
