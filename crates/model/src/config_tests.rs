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
            "rope type is \"yarn\"; default, dynamic and llama3",
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
        (r#", "sliding_window": 0"#, "sliding_window is 0"),
        (
            r#", "layer_types": ["full_attention", "linear_attention"]"#,
            "layer_types has \"linear_attention\"",
        ),
        (
            r#", "final_logit_softcapping": 30.0"#,
            "final_logit_softcapping is 30.0; this program does not compute it",
        ),
        (
            r#", "rope_scaling": {"type": "linear", "factor": 2}, "rope_parameters": {"rope_type": "default"}"#,
            "say different things",
        ),
        (
            r#", "rope_parameters": {"full_attention": {"rope_theta": 5e5}}"#,
            "the rotary setting full_attention",
        ),
        (
            r#", "rope_parameters": {"partial_rotary_factor": 0.5}"#,
            "partial_rotary_factor is 0.5",
        ),
        (r#", "rope_scaling": "linear""#, "must be an object"),
        (
            r#", "rope_scaling": {"type": "linear", "factor": 2.0}"#,
            "rope type is \"linear\"",
        ),
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

#[test]
fn a_sliding_window_limits_the_rows_and_nothing_else() {
    let window = |more: &str| read(more).unwrap().sliding_window;
    let mistral = r#", "model_type": "mistral", "sliding_window": 4096"#;
    assert_eq!(window(mistral), Some(4096));
    assert_eq!(read(mistral).unwrap().max_sequence(), 4096);
    let whole = r#", "model_type": "mistral", "sliding_window": null"#;
    assert_eq!(read(whole).unwrap().max_sequence(), MAX_POSITIONS);
    let qwen = r#", "model_type": "qwen2", "sliding_window": 32"#;
    assert_eq!(window(qwen), None);
    let on = format!("{qwen}, \"use_sliding_window\": true");
    // The window begins above the last of two layers, or at the first.
    assert_eq!(window(&on), None);
    assert_eq!(window(&format!("{on}, \"max_window_layers\": 2")), None);
    assert_eq!(window(&format!("{on}, \"max_window_layers\": 1")), Some(32));
    let all = r#", "layer_types": ["full_attention", "full_attention"]"#;
    assert_eq!(window(&format!("{mistral}{all}")), None);
    let one = r#", "layer_types": ["full_attention", "sliding_attention"]"#;
    assert_eq!(window(&format!("{on}{one}")), Some(32));
}

#[test]
fn settings_that_change_nothing_are_accepted() {
    let plain = read("").unwrap();
    for more in [
        r#", "rope_scaling": {}"#,
        r#", "rope_scaling": {"rope_type": "default"}"#,
        r#", "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 1.0}"#,
        r#", "rope_scaling": {"type": "linear", "factor": 1.0}"#,
        r#", "rope_scaling": {"type": "dynamic", "factor": 4.0}"#,
        r#", "rope_parameters": {"rope_type": "yarn", "factor": 1.0, "rope_theta": 10000.0}"#,
        r#", "attention_dropout": 0, "hidden_dropout": 0.0"#,
        r#", "pretraining_tp": 2, "use_cache": false, "torch_dtype": "float8_e4m3fn""#,
        r#", "mlp_bias": false, "attention_bias": null, "head_dim": 16"#,
        r#", "quantization_config": null, "compression_config": {}"#,
        r#", "hidden_act": "swish""#,
        r#", "partial_rotary_factor": 1, "rope_interleaved": false"#,
        r#", "attention_multiplier": 1.0, "final_logit_softcapping": null, "qk_layernorm": false"#,
        r#", "layer_types": ["full_attention", "full_attention"], "max_window_layers": 28"#,
        r#", "num_key_value_heads": 4, "rms_norm_eps": null"#,
    ] {
        assert_eq!(read(more).unwrap(), plain, "{more}");
    }
    let broken = format!("{{{BASE},\n \"rope_theta\" 5}}");
    let told = ModelConfig::from_json(broken.as_bytes())
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("config.json: line 3, column 15: expected `:`, at"),
        "{told}"
    );
}
