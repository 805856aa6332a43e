//! Small random models as files, and batches for them.
#![allow(dead_code)] // each test file uses a part

use std::sync::Arc;

use assay_data::Batch;
use assay_kernel::random::Stream;
use assay_kernel::{IGNORE, Kernel};
use assay_model::{
    ActivationStorage, AdamWConfig, Adapter, Base, BitFitConfig, Ia3Config, LoraConfig, Method,
    ModelConfig, ModelFiles, ModelSpec, PrivateLoraConfig, Target, TrainSettings,
};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

pub(crate) const VOCAB: usize = 20;

/// Grouped queries, heads narrower than hidden / heads, biases everywhere, tied output.
pub(crate) const BIASED_TIED: &str = r#"{"model_type": "llama", "vocab_size": 20, "hidden_size": 16,
    "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 6, "attention_bias": true, "mlp_bias": true,
    "tie_word_embeddings": true, "max_position_embeddings": 32}"#;
/// Qwen2's biases, one key head, untied output.
pub(crate) const QWEN: &str = r#"{"model_type": "qwen2", "vocab_size": 20, "hidden_size": 16,
    "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 1, "max_position_embeddings": 32, "rope_theta": 1e6}"#;
/// No grouping, no biases, untied output.
pub(crate) const PLAIN: &str = r#"{"model_type": "llama", "vocab_size": 20, "hidden_size": 16,
    "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
    "max_position_embeddings": 32}"#;

pub(crate) const TOKENIZER: &str = r#"{"version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 19}, "unk_token": "a"}}"#;

pub(crate) fn names(targets: &[Target]) -> Vec<&'static str> {
    targets.iter().map(|t| t.name()).collect()
}

pub(crate) fn lora_config(targets: &[Target]) -> LoraConfig {
    LoraConfig::new(3, 4, 0.0, &names(targets)).unwrap()
}

pub(crate) fn lora(targets: &[Target]) -> Method {
    Method::Lora(lora_config(targets))
}

/// Every method, on all projections or a few.
pub(crate) fn methods() -> Vec<(&'static str, Method)> {
    let all = names(&Target::ALL);
    let few = ["k_proj", "v_proj", "down_proj"];
    let lora = |dropout| LoraConfig::new(3, 4, dropout, &all).unwrap();
    vec![
        ("lora", lora(0.0).into()),
        ("lora with dropout", lora(0.25).with_rslora(true).into()),
        ("dora", lora(0.0).with_dora(true).unwrap().into()),
        ("ia3", Method::Ia3(Ia3Config::new(&few, &few[2..]).unwrap())),
        (
            "ia3 everywhere",
            Method::Ia3(Ia3Config::new(&all, &["q_proj", "gate_proj"]).unwrap()),
        ),
        ("bitfit", Method::BitFit(BitFitConfig::new(&all).unwrap())),
        (
            "private lora",
            Method::PrivateLora(PrivateLoraConfig::new(3, 4, &all).unwrap()),
        ),
        ("full", Method::Full),
    ]
}

/// Training settings of every sort.
pub(crate) fn settings() -> Vec<TrainSettings> {
    let plain = TrainSettings::from(AdamWConfig::default());
    vec![
        plain,
        TrainSettings {
            gradient_checkpointing: true,
            max_grad_norm: Some(0.5),
            ..plain
        },
        TrainSettings {
            gradient_accumulation_steps: 3,
            gradient_checkpointing: true,
            loraplus_lr_ratio: Some(4.0),
            ..plain
        },
        TrainSettings {
            activation_storage: ActivationStorage::BFloat16,
            ..plain
        },
        TrainSettings {
            gradient_accumulation_steps: 2,
            gradient_checkpointing: true,
            max_grad_norm: Some(0.5),
            activation_storage: ActivationStorage::BFloat16,
            ..plain
        },
    ]
}

/// An adapter before its first step.
pub(crate) fn fresh(base: &Base, method: &Method, seed: u8) -> Adapter {
    Adapter::init(&Kernel::detect().unwrap(), base, method, &[seed; 32])
}

/// Name, shape and values.
pub(crate) type Named = (String, Vec<usize>, Vec<f32>);

/// Tensors of a size that makes every part matter.
pub(crate) fn tensors(config: &str) -> Vec<Named> {
    let config = ModelConfig::from_json(config.as_bytes()).unwrap();
    let spec = ModelSpec::new(&config);
    let draw = |(i, info): (usize, &assay_model::WeightInfo)| {
        let mut stream = Stream::new(&[9; 32], 77, i as u64);
        let count = info.shape.iter().product();
        let norm = info.name.ends_with("norm.weight");
        let values: Vec<f32> = (0..count)
            .map(|_| match norm {
                true => stream.uniform(0.5, 1.5),
                false => stream.normal() * 0.3,
            })
            .collect();
        (info.name.clone(), info.shape.clone(), values)
    };
    spec.weights().iter().enumerate().map(draw).collect()
}

pub(crate) fn safetensors(tensors: &[Named]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = (tensors.iter())
        .map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    safetensors::serialize(views, None).unwrap()
}

pub(crate) fn files(config: &str) -> ModelFiles {
    let mut files = ModelFiles::new();
    files.insert("config.json".into(), config.into());
    files.insert("tokenizer.json".into(), TOKENIZER.into());
    files.insert("model.safetensors".into(), safetensors(&tensors(config)));
    files
}

pub(crate) fn base(config: &str) -> Arc<Base> {
    Arc::new(Base::from_files(files(config)).unwrap())
}

/// An adapter with every tensor away from where it starts.
pub(crate) fn adapter(base: &Base, method: &Method) -> Adapter {
    let mut adapter = fresh(base, method, 5);
    for (i, param) in adapter.params_mut().iter_mut().enumerate() {
        let mut stream = Stream::new(&[6; 32], 78, i as u64);
        param.values.fill_with(|| stream.normal() * 0.3);
    }
    adapter
}

/// Random tokens; the first positions of a row count for nothing.
pub(crate) fn batch(rows: usize, seq: usize, seed: u64) -> Batch {
    let mut batch = Batch::padding(rows, seq, 0);
    let mut stream = Stream::new(&[4; 32], 79, seed);
    batch.ids.fill_with(|| stream.below(VOCAB as u32));
    for row in 0..rows {
        for t in 0..seq {
            let at = row * seq + t;
            let counts = t >= 2.min(seq - 1) && t + 1 < seq || seq == 1;
            batch.labels[at] = match counts {
                true => batch.ids[(at + 1) % batch.ids.len()] as i32,
                false => IGNORE,
            };
        }
    }
    batch
}
