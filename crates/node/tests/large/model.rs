//! A model folder of any size with cheap weights: for what bytes cost, not for what they say.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use assay_model::{ModelConfig, ModelSpec, WeightInfo};
use serde_json::{Map, Value, json};

/// How large a model is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) hidden: usize,
    pub(crate) intermediate: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) vocab: usize,
    pub(crate) shards: usize,
}

/// Llama 3 8B: 16 GB in bfloat16.
pub(crate) const LLAMA_3_8B: Shape = Shape {
    hidden: 4_096,
    intermediate: 14_336,
    layers: 32,
    heads: 32,
    kv_heads: 8,
    vocab: 128_256,
    shards: 4,
};

/// A few slices, in the same form.
pub(crate) const SMALL: Shape = Shape {
    hidden: 256,
    intermediate: 896,
    layers: 2,
    heads: 8,
    kv_heads: 2,
    vocab: 16_384,
    shards: 3,
};

impl Shape {
    fn config(&self) -> Value {
        json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "hidden_act": "silu",
            "max_position_embeddings": 8_192,
            "rms_norm_eps": 1e-5,
            "rope_theta": 500_000.0,
            "tie_word_embeddings": false,
            "vocab_size": self.vocab,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "torch_dtype": "bfloat16",
        })
    }

    fn model(&self) -> ModelConfig {
        ModelConfig::from_json(self.config().to_string().as_bytes()).unwrap()
    }

    /// Bytes of all weights.
    pub(crate) fn bytes(&self) -> u64 {
        let spec = ModelSpec::new(&self.model());
        spec.weights().iter().map(bytes_of).sum()
    }

    /// Writes the folder, with the example's tokenizer.
    pub(crate) fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/glassllm");
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            fs::copy(example.join(name), folder.join(name)).unwrap();
        }
        let config = serde_json::to_vec_pretty(&self.config()).unwrap();
        fs::write(folder.join("config.json"), config).unwrap();
        let spec = ModelSpec::new(&self.model());
        let mut places = Map::new();
        let per_shard = spec.weights().len().div_ceil(self.shards);
        for (n, weights) in spec.weights().chunks(per_shard).enumerate() {
            let name = format!("model-{:05}-of-{:05}.safetensors", n + 1, self.shards);
            write_shard(&folder.join(&name), weights, n as u64).unwrap();
            for weight in weights {
                places.insert(weight.name.clone(), name.clone().into());
            }
        }
        let index = json!({ "metadata": { "total_size": self.bytes() }, "weight_map": places });
        let index = serde_json::to_vec_pretty(&index).unwrap();
        fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
    }
}

fn bytes_of(weight: &WeightInfo) -> u64 {
    2 * weight.shape.iter().product::<usize>() as u64
}

fn write_shard(path: &Path, weights: &[WeightInfo], seed: u64) -> io::Result<()> {
    let (mut header, mut at) = (Map::new(), 0);
    for weight in weights {
        let end = at + bytes_of(weight);
        let entry = json!({ "dtype": "BF16", "shape": weight.shape, "data_offsets": [at, end] });
        header.insert(weight.name.clone(), entry);
        at = end;
    }
    let header = Value::Object(header).to_string();
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    let mut drawn = 0x9e37_79b9_7f4a_7c15 ^ (seed + 1);
    for weight in weights {
        let values = weight.shape.iter().product::<usize>();
        if weight.name.ends_with("norm.weight") {
            // Ones.
            (0..values).try_for_each(|_| file.write_all(&0x3f80_u16.to_le_bytes()))?;
            continue;
        }
        for _ in 0..values.div_ceil(4) {
            // Four values of either sign between 1/64 and 1/32: xorshift64 picks sign and fraction.
            drawn ^= drawn << 13;
            drawn ^= drawn >> 7;
            drawn ^= drawn << 17;
            let four = (drawn & 0x807f_807f_807f_807f) | 0x3c80_3c80_3c80_3c80;
            file.write_all(&four.to_le_bytes())?;
        }
    }
    file.into_inner()?.sync_all()
}
