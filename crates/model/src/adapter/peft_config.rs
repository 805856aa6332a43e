//! `adapter_config.json` as Hugging Face PEFT writes and reads it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::lora::LoraConfig;
use super::method::{BitFitConfig, Ia3Config, Method};
use super::names::Names;
use super::select::Modules;
use super::settings::check_settings;
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
        Method::Lora(lora) => {
            let mut settings = lora_settings(
                lora.r(),
                shortest(lora.lora_alpha()),
                lora.lora_dropout(),
                (lora.use_rslora(), lora.use_dora()),
            );
            for own in lora.exceptions() {
                let path = own.target.path(own.layer);
                settings["rank_pattern"][&path] = json!(own.r);
                settings["alpha_pattern"][&path] = shortest(own.lora_alpha);
            }
            settings
        }
        Method::PrivateLora(private) => {
            let alpha = json!(private.lora_alpha());
            lora_settings(private.r(), alpha, 0.0, (false, false))
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
    let mut value = value.clone();
    value.sort_all_objects();
    let mut text = format!("{value:#}");
    text.push('\n');
    text.into_bytes()
}

fn lora_settings(r: usize, alpha: Value, dropout: f32, (rslora, dora): (bool, bool)) -> Value {
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

/// Settings that are read here, of every method and of each.
const READ: [&str; 2] = ["peft_type", "target_modules"];
const READ_LORA: [&str; 10] = [
    "alpha_pattern",
    "exclude_modules",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "r",
    "rank_pattern",
    "use_dora",
    "use_rslora",
];
const READ_IA3: [&str; 2] = ["exclude_modules", "feedforward_modules"];

/// Reads the settings of a LoRA, DoRA, (IA)3 or BitFit adapter of a model of so many layers.
///
/// # Errors
/// When the settings ask for something not computed; the message names the field.
pub(super) fn read(bytes: &[u8], layers: usize) -> Result<Method, MethodError> {
    if bytes.len() > MAX_BYTES {
        return Err(wrong("it has more than 1 MiB"));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
    let Value::Object(settings) = &value else {
        return Err(wrong("it is no object of settings"));
    };
    let method = match value["peft_type"].as_str() {
        Some("LORA") => {
            check(settings, &READ_LORA)?;
            read_lora(&value, layers).map(Method::Lora)
        }
        Some("IA3") => {
            check(settings, &READ_IA3)?;
            read_ia3(&value, layers).map(Method::Ia3)
        }
        Some("BITFIT") => {
            check(settings, &[])?;
            let selection = modules(&value)?.on(layers);
            selection.map(BitFitConfig::on).map(Method::BitFit)
        }
        _ => Err(wrong(format!(
            "peft_type is {}; LORA, IA3 and BITFIT are computed",
            value["peft_type"]
        ))),
    };
    method.map_err(|error| match error {
        MethodError::Setting(reason) => wrong(reason),
        other => other,
    })
}

fn check(settings: &Map<String, Value>, more: &[&str]) -> Result<(), MethodError> {
    let known: Vec<&str> = READ.iter().chain(more).copied().collect();
    check_settings(settings, &known, true).map_err(wrong)
}

fn read_lora(value: &Value, layers: usize) -> Result<LoraConfig, MethodError> {
    let flag = |name: &str| match &value[name] {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        other => Err(wrong(format!(
            "{name} is {other}; it must be true or false"
        ))),
    };
    let selection = modules(value)?.on(layers)?;
    let ranks = pattern(value, "rank_pattern", whole)?;
    let alphas = pattern(value, "alpha_pattern", number)?;
    // Dropout does nothing to a finished adapter, so whatever it was trained with is accepted.
    LoraConfig::new(whole("r", &value["r"])?, 1, 0.0, &["q_proj"])?
        .with_alpha(number("lora_alpha", &value["lora_alpha"])?)?
        .on(selection)
        .with_patterns(&ranks, &alphas, layers)?
        .with_rslora(flag("use_rslora")?)
        .with_dora(flag("use_dora")?)
}

fn read_ia3(value: &Value, layers: usize) -> Result<Ia3Config, MethodError> {
    let modules = Modules {
        feedforward_modules: names(value, "feedforward_modules")?,
        ..modules(value)?
    };
    Ia3Config::on(modules.on(layers)?, modules.feedforward_on(layers)?)
}

/// What a person should know of settings that [`read`] accepts: what of them is passed over.
pub(super) fn notes(bytes: &[u8], layers: usize) -> Result<Vec<String>, MethodError> {
    let method = read(bytes, layers)?;
    let value: Value = serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
    let mut notes = modules(&value)?.notes(layers)?;
    if let Method::Lora(lora) = &method {
        for name in ["rank_pattern", "alpha_pattern"] {
            let keys = value[name].as_object().into_iter().flat_map(Map::keys);
            if let Some(key) = lora.unmatched(keys, layers)? {
                let key: String = key.chars().take(80).collect();
                notes.push(format!(
                    "{name} has {key:?}, which matches no adapted module: this is passed over, as PEFT does"
                ));
            }
        }
    }
    let named = |note| format!("adapter_config.json: {note}");
    Ok(notes.into_iter().map(named).collect())
}

fn wrong(reason: impl Into<String>) -> MethodError {
    let reason: String = reason.into();
    MethodError::Unsupported(reason.chars().take(400).collect())
}

/// Which modules are adapted.
fn modules(value: &Value) -> Result<Modules, MethodError> {
    let target_modules = names(value, "target_modules")?.ok_or(MethodError::NoTargets)?;
    let layers = &value["layers_to_transform"];
    let layers = match layers {
        Value::Null => None,
        Value::Array(list) => Some(list.iter().map(layer).collect::<Result<_, _>>()?),
        one => Some(vec![layer(one)?]),
    };
    Ok(Modules {
        target_modules,
        exclude_modules: names(value, "exclude_modules")?,
        layers_to_transform: layers,
        layers_pattern: names(value, "layers_pattern")?,
        feedforward_modules: None,
    })
}

fn layer(value: &Value) -> Result<i64, MethodError> {
    value.as_i64().ok_or_else(|| {
        wrong(format!(
            "layers_to_transform holds {value}; it must be a layer's number or a list of them"
        ))
    })
}

/// The values of a pattern.
fn pattern<T>(
    value: &Value,
    name: &str,
    read: fn(&str, &Value) -> Result<T, MethodError>,
) -> Result<BTreeMap<String, T>, MethodError> {
    match &value[name] {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(fields) => (fields.iter())
            .map(|(key, value)| Ok((key.clone(), read(&format!("{name} of {key}"), value)?)))
            .collect(),
        other => Err(wrong(format!(
            "{name} is {other}; it must be an object of names and numbers"
        ))),
    }
}

fn whole(name: &str, found: &Value) -> Result<u64, MethodError> {
    let number = found.as_f64().filter(|x| *x >= 0.0 && x.fract() == 0.0);
    let number = number.map(|x| x as u64);
    number.ok_or_else(|| wrong(format!("{name} is {found}; it must be a whole number")))
}

fn number(name: &str, found: &Value) -> Result<f64, MethodError> {
    let number = found.as_f64();
    number.ok_or_else(|| wrong(format!("{name} is {found}; it must be a number")))
}

fn names(value: &Value, name: &str) -> Result<Option<Names>, MethodError> {
    let found = &value[name];
    let text = |value: &Value| {
        let text = value.as_str().map(str::to_owned);
        text.ok_or_else(|| wrong(format!("{name} holds {value}; it must hold names")))
    };
    match found {
        Value::Null => Ok(None),
        Value::String(pattern) => Ok(Some(Names::Pattern(pattern.clone()))),
        Value::Array(list) => {
            let list = list.iter().map(text).collect::<Result<_, _>>()?;
            Ok(Some(Names::List(list)))
        }
        other => Err(wrong(format!(
            "{name} is {other}; it must be a list of names or an expression"
        ))),
    }
}

/// A number as it is written shortest, which reads back as the same f32.
fn shortest(value: f32) -> Value {
    match value.fract() == 0.0 {
        true => json!(value as u64),
        false => json!(value.to_string().parse::<f64>().unwrap_or(value.into())),
    }
}
