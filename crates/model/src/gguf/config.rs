//! `config.json` and `generation_config.json` from the metadata.

use gguf_rs_lib::format::MetadataValue;
use serde_json::{Value, json};

use super::convert::Storage;
use super::error::{GgufError, shown};
use super::file::GgufFile;
use super::metadata::needed;
use super::{rope, tokenizer};

/// The families of models that llama.cpp writes and this program trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    /// Llama, and what computes like it: Mistral, TinyLlama, SmolLM.
    Llama,
    /// Qwen 2 and 2.5: biases on queries, keys and values.
    Qwen2,
}

impl Architecture {
    /// What `general.architecture` names.
    pub(super) fn of(file: &GgufFile<'_>) -> Result<Self, GgufError> {
        let key = "general.architecture";
        match needed(key, file.keys.text(key)?)? {
            "llama" => Ok(Self::Llama),
            "qwen2" => Ok(Self::Qwen2),
            other => Err(GgufError::Architecture(shown(other))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
        }
    }

    /// A key of this architecture.
    pub(super) fn key(self, rest: &str) -> String {
        format!("{}.{rest}", self.name())
    }

    /// Whether rows of queries and keys are interleaved: llama.cpp rotates pairs of neighbours in
    /// the one family, and pairs of halves, as Hugging Face does, in the other.
    pub(super) fn interleaves(self) -> bool {
        self == Self::Llama
    }
}

/// The settings that metadata stand for, in Hugging Face's words. Whatever changes the arithmetic
/// and has no place there is refused by key.
pub(super) fn config(file: &GgufFile<'_>, storage: Storage) -> Result<Value, GgufError> {
    let keys = &file.keys;
    refuse_parts(file)?;
    let architecture = Architecture::of(file)?;
    let key = |rest: &str| architecture.key(rest);
    refuse_unsupported(file, architecture)?;
    let number = |rest: &str| needed(&key(rest), keys.number(&key(rest))?);
    let layers = number("block_count")?;
    // llama.cpp reads these as one number, or as one for each layer.
    let of_each = |rest: &str| keys.number_of_each(&key(rest), layers);
    let heads = needed(
        &key("attention.head_count"),
        of_each("attention.head_count")?,
    )?;
    let kv_heads = of_each("attention.head_count_kv")?;
    let inner = needed(&key("feed_forward_length"), of_each("feed_forward_length")?)?;
    let hidden = number("embedding_length")?;
    let width = keys.number(&key("attention.key_length"))?;
    let head_dim = match width {
        Some(width) => width,
        None if heads > 0 && hidden.is_multiple_of(heads) => hidden / heads,
        None => {
            let problem = format!("is {heads}, which does not divide the width {hidden}");
            return Err(GgufError::metadata(&key("attention.head_count"), problem));
        }
    };
    for rest in ["rope.dimension_count", "attention.value_length"] {
        let same = |value: &MetadataValue| value.as_u64() == Some(head_dim);
        keys.refuse(
            &key(rest),
            same,
            &format!("heads have a width of {head_dim}"),
        )?;
    }
    let eps = key("attention.layer_norm_rms_epsilon");
    let embedding = "token_embd.weight";
    let embedding = file
        .tensor(embedding)
        .ok_or_else(|| GgufError::MissingTensor(embedding.into()))?;
    let context = number("context_length")?;
    let base = keys.float(&key("rope.freq_base"))?.unwrap_or(10_000.0);
    let mut config = json!({
        "vocab_size": embedding.rows(),
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads.unwrap_or(heads),
        "head_dim": head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": context,
        "rms_norm_eps": decimal(needed(&eps, keys.float(&eps)?)?),
        "rope_theta": decimal(base),
        "attention_dropout": 0.0,
        "tie_word_embeddings": file.tensor("output.weight").is_none(),
        "torch_dtype": storage.torch_name(),
    });
    match architecture {
        Architecture::Llama => {
            config["architectures"] = json!(["LlamaForCausalLM"]);
            config["model_type"] = "llama".into();
            config["attention_bias"] = file.tensor("blk.0.attn_q.bias").is_some().into();
            config["mlp_bias"] = file.tensor("blk.0.ffn_up.bias").is_some().into();
        }
        Architecture::Qwen2 => {
            config["architectures"] = json!(["Qwen2ForCausalLM"]);
            config["model_type"] = "qwen2".into();
            config["use_sliding_window"] = false.into();
        }
    }
    let original = keys.number(&key("rope.scaling.original_context_length"))?;
    if let Some(scaling) = rope::scaling(file, decimal(base), head_dim, original)? {
        config["rope_scaling"] = scaling;
    }
    for (field, key) in SPECIAL {
        if let Some(id) = tokenizer::id(keys, key)? {
            config[field] = id.into();
        }
    }
    Ok(config)
}

const SPECIAL: [(&str, &str); 3] = [
    ("bos_token_id", "tokenizer.ggml.bos_token_id"),
    ("eos_token_id", "tokenizer.ggml.eos_token_id"),
    ("pad_token_id", "tokenizer.ggml.padding_token_id"),
];

/// The tokens that begin, end and fill texts; an end of turn or of a message counts as an end.
pub(super) fn generation_config(file: &GgufFile<'_>) -> Result<Value, GgufError> {
    let mut config = json!({});
    for (field, key) in SPECIAL {
        if let Some(id) = tokenizer::id(&file.keys, key)? {
            config[field] = id.into();
        }
    }
    let id = |key: &str| tokenizer::id(&file.keys, key);
    let mut ends: Vec<u32> = id(SPECIAL[1].1)?.into_iter().collect();
    for key in ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"] {
        ends.extend(id(key)?.filter(|id| !ends.contains(id)));
    }
    let by_name = tokenizer::ends(&file.keys)?;
    let new = by_name.into_iter().filter(|id| !ends.contains(id));
    ends.extend(new.collect::<Vec<_>>());
    if ends.len() > 1 || config["eos_token_id"].is_null() && !ends.is_empty() {
        config["eos_token_id"] = ends.into();
    }
    Ok(config)
}

/// Files that hold something else than a whole model.
fn refuse_parts(file: &GgufFile<'_>) -> Result<(), GgufError> {
    let keys = &file.keys;
    let parts = keys.number("split.count")?.unwrap_or(1);
    if parts > 1 {
        let number = keys.number("split.no")?.unwrap_or_default();
        return Err(GgufError::Part(number.saturating_add(1), parts));
    }
    match keys.text("general.type")? {
        None | Some("model") => Ok(()),
        Some(other) => Err(GgufError::NoModel(shown(other))),
    }
}

fn refuse_unsupported(file: &GgufFile<'_>, architecture: Architecture) -> Result<(), GgufError> {
    let keys = &file.keys;
    let key = |rest: &str| architecture.key(rest);
    let zero = |value: &MetadataValue| value.as_u64() == Some(0);
    let one =
        |value: &MetadataValue| matches!(value, MetadataValue::F32(x) if [0.0, 1.0].contains(x));
    let experts =
        "mixtures of experts are not trained: choose a dense Llama, Mistral or Qwen2 model";
    keys.refuse(&key("expert_count"), zero, experts)?;
    let context = keys.number(&key("context_length"))?;
    let wide = |value: &MetadataValue| {
        let width = value.as_u64();
        width == Some(0) || width.zip(context).is_some_and(|(w, c)| w >= c)
    };
    let window = "only full attention is computed: choose a model without a window, or one whose window is as long as its context";
    keys.refuse(&key("attention.sliding_window"), wide, window)?;
    let always = |value: &MetadataValue| value.as_bool() == Some(true);
    keys.refuse(
        &key("attention.causal"),
        always,
        "only models that read from left to right are trained",
    )?;
    // Metadata that are not there mean a linear stretching by the factor, which is 1 then.
    let kind = key("rope.scaling.type");
    let stretched = "only plain and Llama 3's rotary positions are computed: choose a model that is not stretched";
    let factors = ["rope.scaling.factor", "rope.scale_linear"];
    let plain = factors.iter().all(|rest| {
        let factor = keys.float(&key(rest)).ok().flatten();
        factor.is_none_or(|x| [0.0, 1.0].contains(&x))
    });
    let harmless = |value: &MetadataValue| match value.as_str() {
        Some("none") => true,
        Some("linear") => plain,
        _ => false,
    };
    keys.refuse(&kind, harmless, stretched)?;
    keys.refuse(&key("rope.scaling.attn_factor"), one, stretched)?;
    if keys.text(&kind)? != Some("none") {
        for rest in factors {
            keys.refuse(&key(rest), one, stretched)?;
        }
    }
    for rest in [
        "logit_scale",
        "embedding_scale",
        "residual_scale",
        "attention.scale",
        "attention.clamp_kqv",
        "attention.max_alibi_bias",
        "attn_logit_softcapping",
        "final_logit_softcapping",
    ] {
        keys.refuse(
            &key(rest),
            |_| false,
            "this is not computed: choose a plain Llama, Mistral or Qwen2 model",
        )?;
    }
    Ok(())
}

/// The shortest decimal number that reads as this f32: what the model's author wrote.
fn decimal(value: f32) -> f64 {
    format!("{value:e}")
        .parse()
        .unwrap_or_else(|_| value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_their_author_did() {
        for (text, value) in [("1e-5", 1e-5f32), ("100000.0", 1e5), ("500000.0", 5e5)] {
            assert_eq!(decimal(value), text.parse::<f64>().unwrap());
            assert_eq!(decimal(value) as f32, value);
        }
    }
}
