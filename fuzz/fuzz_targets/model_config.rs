//! `config.json`: what is accepted can be computed, and written down reads as the same model.
#![no_main]

use assay_fuzz::samples::model::{FULL, QWEN, TINY};
use assay_model::{ModelConfig, ModelSpec};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fn seeds() -> Vec<Vec<u8>> {
    [TINY, FULL, QWEN]
        .map(|text| text.as_bytes().to_vec())
        .into()
}

fn written(config: &ModelConfig) -> Vec<u8> {
    let scaling = config.rope_scaling.map(|s| {
        json!({
            "rope_type": "llama3", "factor": s.factor, "low_freq_factor": s.low_freq_factor,
            "high_freq_factor": s.high_freq_factor,
            "original_max_position_embeddings": s.original_max_position_embeddings,
        })
    });
    let qwen = config.qkv_bias && !config.o_bias;
    let value = json!({
        "model_type": if qwen { "qwen2" } else { "llama" },
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.max_position_embeddings,
        "sliding_window": config.sliding_window,
        "use_sliding_window": config.sliding_window.is_some(),
        "max_window_layers": 0,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "rope_scaling": scaling,
        "attention_bias": config.o_bias,
        "mlp_bias": config.mlp_bias,
        "tie_word_embeddings": config.tie_word_embeddings,
        "eos_token_id": config.eos_token_ids,
    });
    value.to_string().into_bytes()
}

/// Equal but for the last bit of 64-bit numbers, which serde_json does not keep.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Ok(config) = ModelConfig::from_json(data) else {
        return;
    };
    assert!(config.num_attention_heads % config.num_key_value_heads == 0);
    assert!(config.head_dim % 2 == 0 && config.head_dim > 0);
    assert!(config.rms_norm_eps > 0.0 && config.rope_theta.is_finite());
    let again = ModelConfig::from_json(&written(&config)).expect("written down, it reads");
    assert!(close(again.rope_theta, config.rope_theta));
    let scaling = |c: &ModelConfig| c.rope_scaling.map(|s| (s.factor, s.low_freq_factor));
    match (scaling(&again), scaling(&config)) {
        (Some(a), Some(b)) => assert!(close(a.0, b.0) && close(a.1, b.1)),
        (a, b) => assert_eq!(a, b),
    }
    let rope = |c: ModelConfig| ModelConfig { rope_theta: 2.0, rope_scaling: None, ..c };
    assert_eq!(rope(again), rope(config.clone()));
    if config.num_hidden_layers <= 16 {
        let spec = ModelSpec::new(&config);
        assert!(spec.weights().len() > config.num_hidden_layers);
    }
});
