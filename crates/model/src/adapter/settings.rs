//! PEFT's settings beyond those that are computed: which of them say nothing about what is computed,
//! and what the others would have meant.

use serde_json::{Map, Value};

/// Where an adapter was made, and how PEFT is to load it: nothing that is computed.
const HARMLESS: [&str; 10] = [
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
];

/// Values that PEFT takes for granted, of settings that it also knows others of.
const DEFAULTS: [(&str, &str); 2] = [("bias", "none"), ("task_type", "CAUSAL_LM")];

/// How matrices may have begun without a change to the base. Not among them are pissa, olora, corda,
/// loftq and lora_ga: they take the first product of the matrices out of the base.
const OWN_STARTS: [&str; 4] = ["gaussian", "orthogonal", "eva", "mica"];

/// How a start was computed. Which start it was says `init_lora_weights` alone: PEFT ignores these
/// where that names another.
const STARTS: [&str; 4] = [
    "corda_config",
    "eva_config",
    "loftq_config",
    "lora_ga_config",
];

/// Refuses every setting that is neither `known`, which the caller reads itself, nor harmless, nor
/// left as it is when it is not used: absent, null, false or empty. `finished` is whether the adapter
/// has been trained: how its matrices began then matters only where the base was changed with them.
///
/// # Errors
/// A sentence that names the setting and what it would mean.
pub fn check_settings(
    settings: &Map<String, Value>,
    known: &[&str],
    finished: bool,
) -> Result<(), String> {
    let task = settings.get("task_type");
    if task.is_some_and(|task| !task.is_null() && task != "CAUSAL_LM") {
        return Err(refused("task_type", &settings["task_type"]));
    }
    let others = settings
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()) && !HARMLESS.contains(&name.as_str()));
    for (name, value) in others {
        let default = DEFAULTS.iter().any(|(n, v)| n == name && value == *v);
        let fine = match name.as_str() {
            // Here false is a start of another kind, and not an unused setting.
            "init_lora_weights" | "init_ia3_weights" => is_own_start(value, finished),
            _ if finished && STARTS.contains(&name.as_str()) => true,
            _ => default || is_unset(value),
        };
        if !fine {
            return Err(refused(name, value));
        }
    }
    Ok(())
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Whether matrices that began like this go with the base as it is; a run here begins by PEFT's
/// default only.
fn is_own_start(value: &Value, finished: bool) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(by_default) => *by_default || finished,
        Value::String(start) => {
            finished && OWN_STARTS.contains(&start.to_ascii_lowercase().as_str())
        }
        _ => false,
    }
}

/// Names the setting, its value, and what it would have meant.
fn refused(name: &str, value: &Value) -> String {
    let meaning = match name {
        "init_lora_weights" if is_own_start(value, true) => {
            "training begins from another start, and here only from PEFT's default"
        }
        "init_lora_weights" | "loftq_config" | "corda_config" | "lora_ga_config" | "eva_config" => {
            "training begins from another start, which for most of them changes the base too; where \
             PEFT can, its save_pretrained(path_initial_model_for_weight_conversion=...) makes a plain \
             LoRA of such an adapter"
        }
        "alora_invocation_tokens" => {
            "the adapter acts only after these tokens, and here it would act on all"
        }
        "layer_replication" => "layers of the base are repeated, and here they are not",
        "modules_to_save" | "trainable_token_indices" => {
            "whole modules or rows of them are trained, and here only projections are"
        }
        "target_parameters" => "parameters are adapted that are no projections",
        "bias" | "lora_bias" => "biases are trained too; method = \"bitfit\" trains them alone",
        "fan_in_fan_out" => "weights are stored the other way round",
        "use_qalora" => "inputs are pooled in groups before A",
        "arrow_config" => "several adapters are mixed",
        "task_type" => "only CAUSAL_LM is computed",
        _ => "this setting is not known here, so it might change what is computed",
    };
    let shown: String = value.to_string().chars().take(80).collect();
    let name: String = name.chars().take(80).collect();
    format!("{name} is {shown}: {meaning}")
}
