//! `config.json` and `generation_config.json` from the metadata.

use gguf_rs_lib::format::MetadataValue;
use serde_json::{Value, json};

use super::convert::Storage;
use super::error::{GgufError, shown};
use super::file::GgufFile;
use super::metadata::needed;

/// The settings that metadata of the architecture llama stand for, in Hugging Face's words.
/// Whatever changes the arithmetic and has no place there is refused by key.
pub(super) fn config(file: &GgufFile<'_>, storage: Storage) -> Result<Value, GgufError> {
    let keys = &file.keys;
    let architecture = needed("general.architecture", keys.text("general.architecture")?)?;
    if architecture != "llama" {
        return Err(GgufError::Architecture(shown(architecture)));
    }
    refuse_unsupported(file)?;
    let number = |key: &str| needed(key, keys.number(key)?);
    let heads = number("llama.attention.head_count")?;
    let kv_heads = keys.number("llama.attention.head_count_kv")?;
    let hidden = number("llama.embedding_length")?;
    let width = keys.number("llama.attention.key_length")?;
    let head_dim = match width {
        Some(width) => width,
        None if heads > 0 && hidden.is_multiple_of(heads) => hidden / heads,
        None => {
            let problem = format!("is {heads}, which does not divide the width {hidden}");
            return Err(GgufError::metadata("llama.attention.head_count", problem));
        }
    };
    for key in ["llama.rope.dimension_count", "llama.attention.value_length"] {
        let same = |value: &MetadataValue| value.as_u64() == Some(head_dim);
        keys.refuse(key, same, &format!("heads have a width of {head_dim}"))?;
    }
    let eps = "llama.attention.layer_norm_rms_epsilon";
    let embedding = "token_embd.weight";
    let embedding = file
        .tensor(embedding)
        .ok_or_else(|| GgufError::MissingTensor(embedding.into()))?;
    let mut config = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": embedding.rows(),
        "hidden_size": hidden,
        "intermediate_size": number("llama.feed_forward_length")?,
        "num_hidden_layers": number("llama.block_count")?,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads.unwrap_or(heads),
        "head_dim": head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": number("llama.context_length")?,
        "rms_norm_eps": decimal(needed(eps, keys.float(eps)?)?),
        "rope_theta": decimal(keys.float("llama.rope.freq_base")?.unwrap_or(10_000.0)),
        "attention_bias": false,
        "mlp_bias": false,
        "attention_dropout": 0.0,
        "tie_word_embeddings": file.tensor("output.weight").is_none(),
        "torch_dtype": storage.torch_name(),
    });
    for (field, key) in SPECIAL {
        if let Some(id) = keys.id(key)? {
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

/// The tokens that begin, end and fill texts; an end of turn counts as an end.
pub(super) fn generation_config(file: &GgufFile<'_>) -> Result<Value, GgufError> {
    let mut config = json!({});
    for (field, key) in SPECIAL {
        if let Some(id) = file.keys.id(key)? {
            config[field] = id.into();
        }
    }
    let turn = file.keys.id("tokenizer.ggml.eot_token_id")?;
    if let Some(turn) = turn.filter(|id| config["eos_token_id"] != *id) {
        let ends = [config["eos_token_id"].clone(), turn.into()];
        config["eos_token_id"] = ends.into_iter().filter(|id| !id.is_null()).collect();
    }
    Ok(config)
}

fn refuse_unsupported(file: &GgufFile<'_>) -> Result<(), GgufError> {
    let keys = &file.keys;
    let zero = |value: &MetadataValue| value.as_u64() == Some(0);
    let none = |value: &MetadataValue| value.as_str() == Some("none");
    keys.refuse("llama.expert_count", zero, "experts are not computed")?;
    let window = "llama.attention.sliding_window";
    keys.refuse(window, zero, "only full attention is computed")?;
    let stretched = "only plain rotary positions are converted";
    keys.refuse("llama.rope.scaling.type", none, stretched)?;
    let one = |value: &MetadataValue| matches!(value, MetadataValue::F32(x) if *x == 1.0);
    keys.refuse("llama.rope.scale_linear", one, stretched)?;
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
