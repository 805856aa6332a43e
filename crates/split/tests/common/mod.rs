//! What the tests share: models, batches, parties.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part

use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_data::{Batch, DataSet, Format, Options, Place, Record, read};
use assay_kernel::random::Stream;
use assay_kernel::{IGNORE, Kernel};
use assay_model::{
    ActivationStorage, AdamWConfig, Adapter, Base, BatchShape, Method, ModelConfig,
    PrivateLoraConfig, Purpose, Target, TrainSettings, TrainState, WeightId,
};
use assay_split::{Holdings, Provider, Requester, Side, Split};

/// Biases, grouped keys, tied output.
pub(crate) const BIASED: &str = r#"{"model_type": "llama", "vocab_size": 20, "hidden_size": 16,
    "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 6, "attention_bias": true, "mlp_bias": true,
    "tie_word_embeddings": true, "max_position_embeddings": 32}"#;
/// Biases of queries, keys and values only; untied output.
pub(crate) const QWEN: &str = r#"{"model_type": "qwen2", "vocab_size": 20, "hidden_size": 16,
    "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 1, "max_position_embeddings": 32, "rope_theta": 1e6}"#;
/// One layer, no biases, untied output.
pub(crate) const PLAIN: &str = r#"{"model_type": "llama", "vocab_size": 20, "hidden_size": 16,
    "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
    "max_position_embeddings": 32}"#;

pub(crate) fn base(json: &str) -> Arc<Base> {
    let config = ModelConfig::from_json(json.as_bytes()).unwrap();
    Arc::new(Base::random(config, &[3; 32]).unwrap())
}

fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(of)
}

pub(crate) fn example() -> Arc<Base> {
    Arc::new(Base::from_folder(&path("glassllm")).unwrap())
}

/// Full rows of the example data, read as running text.
pub(crate) fn dialogue(base: &Base, file: &str, seq: usize) -> DataSet {
    let bytes = std::fs::read(path("dialogue").join(file)).unwrap();
    let mut text = String::new();
    for (_, record) in read(&bytes, Format::JsonLines).unwrap() {
        let Record::Chat(chat) = record else {
            continue;
        };
        for (message, mark) in chat.messages.iter().zip(["Q: ", "A: "]) {
            text += &format!("{mark}{}\n", message.text());
        }
    }
    let records = [(Place::Text, Record::Text(text))];
    DataSet::build(&records, base.tokenizer().unwrap(), &Options::new(seq)).unwrap()
}

pub(crate) fn all() -> Vec<&'static str> {
    Target::ALL.map(Target::name).to_vec()
}

pub(crate) fn private(r: u64, targets: &[&str]) -> PrivateLoraConfig {
    PrivateLoraConfig::new(r, 2 * r, targets).unwrap()
}

/// A state with M away from zero, so that every part matters.
pub(crate) fn state(base: &Base, settings: &PrivateLoraConfig) -> TrainState {
    let kernel = Kernel::detect().unwrap();
    let method = Method::PrivateLora(settings.clone());
    let mut adapter = Adapter::init(&kernel, base, &method, &[7; 32]);
    for (i, param) in adapter.params_mut().iter_mut().enumerate() {
        if param.info.is_trained() {
            let mut stream = Stream::new(&[6; 32], 78, i as u64);
            param.values.fill_with(|| stream.normal() * 0.1);
        }
    }
    TrainState::new(adapter)
}

pub(crate) fn plain_settings() -> TrainSettings {
    TrainSettings::from(AdamWConfig {
        weight_decay: 0.01,
        ..AdamWConfig::default()
    })
}

/// Clipping, accumulation, checkpointing, all of them, and rounding with and without them.
pub(crate) fn all_settings() -> Vec<TrainSettings> {
    let plain = plain_settings();
    vec![
        plain,
        TrainSettings {
            max_grad_norm: Some(1e-4),
            ..plain
        },
        TrainSettings {
            gradient_accumulation_steps: 3,
            ..plain
        },
        TrainSettings {
            gradient_checkpointing: true,
            ..plain
        },
        TrainSettings {
            max_grad_norm: Some(1e-4),
            gradient_accumulation_steps: 2,
            gradient_checkpointing: true,
            ..plain
        },
        TrainSettings {
            activation_storage: ActivationStorage::BFloat16,
            ..plain
        },
        TrainSettings {
            gradient_accumulation_steps: 2,
            gradient_checkpointing: true,
            activation_storage: ActivationStorage::BFloat16,
            ..plain
        },
    ]
}

/// Both parties of one kind of step.
pub(crate) fn parties(
    base: &Base,
    settings: &PrivateLoraConfig,
    shape: BatchShape,
    purpose: Purpose,
) -> (Requester, Provider) {
    let kernel = Kernel::detect().unwrap();
    let state = state(base, settings);
    let split = Arc::new(Split::new(base.config(), settings, shape, purpose).unwrap());
    let part = |side| Holdings::of(&split, side, base, state.adapter()).unwrap();
    let provider = Provider::new(&kernel, split.clone(), part(Side::Provider)).unwrap();
    let ours = part(Side::Requester);
    let requester = Requester::new(&kernel, split, ours, state).unwrap();
    (requester, provider)
}

/// Random tokens; every third position counts for nothing.
pub(crate) fn batch(rows: usize, seq: usize, vocab: usize, seed: u64) -> Batch {
    let mut batch = Batch::padding(rows, seq, 0);
    let mut stream = Stream::new(&[4; 32], 79, seed);
    batch.ids.fill_with(|| stream.below(vocab as u32));
    for (at, label) in batch.labels.iter_mut().enumerate() {
        *label = match at % 3 {
            0 => IGNORE,
            _ => batch.ids[(at + 1) % batch.ids.len()] as i32,
        };
    }
    batch
}

/// A tensor of the base by name.
pub(crate) fn weight(base: &Base, name: &str) -> Vec<f32> {
    let mut all = base.spec().weights().iter();
    let at = all.position(|info| info.name == name).unwrap();
    base.weight(WeightId(at as u32)).into_owned()
}

/// Tokens and what an attacker took them for, where the position holds text (padding is not
/// counted: a row's text ends at its last label).
pub(crate) fn hits(batch: &Batch, guesses: &[u32]) -> (usize, usize) {
    let (mut right, mut count) = (0, 0);
    for row in 0..batch.batch {
        let at = row * batch.seq..(row + 1) * batch.seq;
        let labels = &batch.labels[at.clone()];
        let text = labels
            .iter()
            .rposition(|l| *l != IGNORE)
            .map_or(0, |last| last + 2);
        let pairs = batch.ids[at.clone()].iter().zip(&guesses[at]).take(text);
        right += pairs.clone().filter(|(id, guess)| id == guess).count();
        count += pairs.count();
    }
    (right, count)
}

/// For each row of `seen` the row of `table` with the highest cosine.
pub(crate) fn nearest(seen: &[f64], table: &[f32], width: usize) -> Vec<u32> {
    let unit = |row: &[f64]| -> Vec<f64> {
        let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter().map(|v| v / length.max(1e-300)).collect()
    };
    let wide: Vec<f64> = table.iter().map(|v| f64::from(*v)).collect();
    let rows: Vec<Vec<f64>> = wide.chunks_exact(width).map(unit).collect();
    let guess = |row: &[f64]| {
        let row = unit(row);
        let cosine = |other: &Vec<f64>| row.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
        let cosines = rows.iter().map(cosine).enumerate();
        let best = cosines.max_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or(0, |(id, _)| id as u32)
    };
    seen.chunks_exact(width).map(guess).collect()
}
