//! A model of a few weights, its adapters, and its tokenizer.

use std::sync::Arc;

use assay_data::Batch;
use assay_graph::Piece;
use assay_kernel::Kernel;
use assay_model::{
    ActivationStorage, AdamWConfig, Adapter, Base, BatchShape, BitFitConfig, Ia3Config, LoraConfig,
    Method, ModelConfig, PrivateLoraConfig, Target, TrainSettings, TrainState, Trainer,
};

/// `config.json` of the smallest model there is.
pub const TINY: &str = r#"{"model_type": "llama", "vocab_size": 4, "hidden_size": 4,
    "intermediate_size": 2, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 8}"#;

/// `config.json` with the fields that [`TINY`] leaves out.
pub const FULL: &str = r#"{"model_type": "llama", "vocab_size": 20, "hidden_size": 16,
    "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 6, "attention_bias": true, "mlp_bias": true,
    "tie_word_embeddings": true, "max_position_embeddings": 32, "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 32.0,
    "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
    "hidden_act": "silu", "attention_dropout": 0.0, "eos_token_id": [1, 2]}"#;

/// `config.json` of the other architecture.
pub const QWEN: &str = r#"{"model_type": "qwen2", "vocab_size": 20, "hidden_size": 16,
    "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 1, "max_position_embeddings": 32, "use_sliding_window": false,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}, "eos_token_id": 3}"#;

/// `tokenizer.json` of a few words.
pub const TOKENIZER: &str = r#"{"version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 3, "content": "</s>", "special": true, "single_word": false,
    "lstrip": false, "rstrip": false, "normalized": false}], "normalizer": null,
    "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "vocab": {"?": 0, "User": 1, "Assistant": 2},
    "unk_token": "?"}}"#;

/// `tokenizer.json` of bytes and one merge.
pub const BYTES: &str = r#"{"version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [], "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
    "use_regex": true}, "post_processor": null, "decoder": {"type": "ByteLevel",
    "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null,
    "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
    "byte_fallback": false, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}"#;

/// `tokenizer_config.json` for [`TOKENIZER`].
pub const TOKENIZER_CONFIG: &str = r#"{"eos_token": "</s>", "unk_token": {"content": "?"},
    "chat_template": "{% for m in messages %}{{ m.role }} {{ m.content }}{% endfor %}"}"#;

/// The model that [`TINY`] describes.
pub fn tiny() -> ModelConfig {
    ModelConfig::from_json(TINY.as_bytes()).expect("a valid configuration")
}

/// One of every method, on [`tiny`].
pub fn methods() -> Vec<Method> {
    let all = Target::ALL.map(Target::name);
    let lora = |targets| LoraConfig::new(1, 2, 0.0, targets).expect("valid settings");
    let dora = lora(&all[..2]).with_dora(true).expect("valid settings");
    let ia3 = Ia3Config::new(&all, &all[6..]).expect("valid settings");
    let bitfit = BitFitConfig::new(&all[..1]).expect("valid settings");
    let private = PrivateLoraConfig::new(1, 2, &all[1..2]).expect("valid settings");
    vec![
        Method::Lora(lora(&all[..1])),
        Method::Lora(lora(&all)),
        Method::Lora(dora),
        Method::Ia3(ia3),
        Method::BitFit(bitfit),
        Method::PrivateLora(private),
        Method::Full,
    ]
}

/// Fresh adapters of [`tiny`], one of every method.
pub fn adapters() -> Vec<Adapter> {
    let kernel = Kernel::detect().expect("a kernel");
    let base = Base::random(tiny(), &[4; 32]).expect("a valid configuration");
    let fresh = |method: &Method| Adapter::init(&kernel, &base, method, &[5; 32]);
    methods().iter().map(fresh).collect()
}

/// Training states of [`adapters`].
pub fn states() -> Vec<TrainState> {
    adapters().into_iter().map(TrainState::new).collect()
}

/// Every operator of a step of each of [`methods`], with all it reads.
pub fn pieces() -> Vec<Piece> {
    let kernel = Kernel::detect().expect("a kernel");
    let base = Arc::new(Base::random(tiny(), &[4; 32]).expect("a valid configuration"));
    let shape = BatchShape { batch: 1, seq: 3 };
    let settings = TrainSettings {
        max_grad_norm: Some(0.5),
        activation_storage: ActivationStorage::BFloat16,
        ..AdamWConfig::default().into()
    };
    let mut batch = Batch::padding(1, 3, 0);
    batch.labels[0] = 2;
    let of = |state: TrainState| {
        let method = state.adapter().method();
        let trainer = Trainer::new(&kernel, base.clone(), method, settings, shape, &[5; 32]);
        let pieces = trainer
            .expect("a small step")
            .pieces(&state, &batch, 0.01, |_| true);
        pieces.expect("a step that can be taken")
    };
    states().into_iter().flat_map(of).collect()
}
