use super::*;

const BASE: &str = r#""model_type": "llama", "vocab_size": 100, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4"#;

fn read(more: &str) -> Result<ModelConfig, LoadError> {
    // Later keys win, as everywhere in JSON.
    ModelConfig::from_json(format!("{{{BASE}{more}}}").as_bytes())
}

#[test]
fn defaults_are_those_of_transformers() {
    let config = read("").unwrap();
    assert_eq!((config.num_key_value_heads, config.head_dim), (4, 16));
    assert_eq!((config.query_width(), config.key_width()), (64, 64));
    assert_eq!(config.rms_norm_eps.to_bits(), 1e-6f32.to_bits());
    assert_eq!((config.rope_theta, config.rope_scaling), (10_000.0, None));
    assert_eq!(config.max_sequence(), 2048);
    assert!(!config.tie_word_embeddings && !config.qkv_bias && !config.o_bias && !config.mlp_bias);
    let long = read(r#", "max_position_embeddings": 131072"#).unwrap();
    assert_eq!(long.max_sequence(), MAX_POSITIONS);
}

#[test]
fn biases_follow_the_architecture() {
    let llama = read(r#", "attention_bias": true"#).unwrap();
    assert!(llama.qkv_bias && llama.o_bias && !llama.mlp_bias);
    let qwen = read(r#", "model_type": "qwen2", "sliding_window": 4096"#).unwrap();
    assert!(qwen.qkv_bias && !qwen.o_bias);
}

#[test]
fn both_spellings_of_llama3_scaling_are_read() {
    let inner = r#""rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192"#;
    let old = read(&format!(
        ", \"rope_theta\": 500000.0, \"rope_scaling\": {{{inner}}}"
    ));
    let new = read(&format!(
        ", \"rope_parameters\": {{\"rope_theta\": 500000.0, {inner}}}"
    ));
    assert_eq!(old.unwrap(), new.unwrap());
    let none = read(r#", "rope_scaling": null, "rope_theta": 5e5"#).unwrap();
    assert_eq!((none.rope_theta, none.rope_scaling), (5e5, None));
}

#[test]
fn refusals_name_the_field_and_what_works() {
    let cases = [
        (
            r#", "model_type": "gpt2""#,
            "model_type is \"gpt2\"; this program trains llama",
        ),
        (
            r#", "vocab_size": 0"#,
            "vocab_size is 0; it must be a whole number from 1",
        ),
        (r#", "hidden_size": -4"#, "hidden_size is -4; it must be"),
        (r#", "hidden_size": 65.5"#, "hidden_size is 65.5"),
        (r#", "num_hidden_layers": 99999"#, "from 1 to 1024"),
        (r#", "num_attention_heads": 3"#, "give head_dim"),
        (
            r#", "num_key_value_heads": 3"#,
            "no multiple of num_key_value_heads 3",
        ),
        (
            r#", "head_dim": 7"#,
            "head_dim is 7; rotary positions need an even width",
        ),
        (
            r#", "hidden_act": "gelu""#,
            "hidden_act is \"gelu\"; only silu is computed",
        ),
        (r#", "rms_norm_eps": "small""#, "rms_norm_eps is \"small\""),
        (r#", "rms_norm_eps": 0"#, "must be a number above 0"),
        (r#", "rms_norm_eps": 1e-60"#, "must be a number above 0"),
        (
            r#", "rope_scaling": {"rope_type": "yarn"}"#,
            "rope type is \"yarn\"; default and llama3",
        ),
        (
            r#", "rope_scaling": {"type": "llama3"}"#,
            "factor is missing",
        ),
        (
            r#", "tie_word_embeddings": 1"#,
            "tie_word_embeddings is 1; it must be true or false",
        ),
        (
            r#", "quantization_config": {"bits": 4}"#,
            "plain f32, f16 or bf16",
        ),
        (r#", "sliding_window": 4096"#, "only full attention"),
        (r#", "attention_dropout": 0.1"#, "attention_dropout is 0.1"),
        (r#", "partial_rotary_factor": 0.5"#, "partial_rotary_factor"),
        (r#", "rope_interleaved": true"#, "half-split layout"),
    ];
    for (more, expected) in cases {
        let text = read(more).unwrap_err().to_string();
        assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    }
    for bytes in [&b""[..], b"[]", b"{", b"\xff"] {
        assert!(ModelConfig::from_json(bytes).is_err());
    }
}
