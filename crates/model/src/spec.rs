//! Which tensors a model has, in one fixed order.

use assay_graph::WeightId;

use crate::config::ModelConfig;
use crate::target::Target;

/// A frozen tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightInfo {
    /// Its key in the safetensors files.
    pub name: String,
    /// Its shape there: two numbers for a matrix, one for a vector.
    pub shape: Vec<usize>,
}

impl WeightInfo {
    /// Rows and columns; a vector has one row.
    pub fn matrix(&self) -> (usize, usize) {
        match self.shape[..] {
            [rows, cols] => (rows, cols),
            _ => (1, self.shape.iter().product()),
        }
    }
}

/// A projection and its bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Linear {
    pub(crate) weight: WeightId,
    pub(crate) bias: Option<WeightId>,
    /// Rows of the weight: the width of the output.
    pub(crate) out: usize,
    /// Columns of the weight: the width of the input.
    pub(crate) input: usize,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerSpec {
    pub(crate) input_norm: WeightId,
    pub(crate) post_attention_norm: WeightId,
    linears: Vec<Linear>,
}

impl LayerSpec {
    pub(crate) fn linear(&self, target: Target) -> Linear {
        self.linears[target as usize]
    }
}

/// The tensors of a model and where each is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSpec {
    weights: Vec<WeightInfo>,
    pub(crate) embedding: WeightId,
    pub(crate) layers: Vec<LayerSpec>,
    pub(crate) norm: WeightId,
    pub(crate) head: WeightId,
}

impl ModelSpec {
    /// Enumerates the tensors of a model: embedding, layers ascending, final norm, output.
    pub fn new(config: &ModelConfig) -> Self {
        let mut weights = Vec::new();
        let mut add = |name: String, shape: &[usize]| {
            let shape = shape.to_vec();
            weights.push(WeightInfo { name, shape });
            WeightId(weights.len() as u32 - 1)
        };
        let (hidden, vocab) = (config.hidden_size, config.vocab_size);
        let embedding = add("model.embed_tokens.weight".into(), &[vocab, hidden]);
        let mut layers = Vec::new();
        for layer in 0..config.num_hidden_layers {
            let prefix = format!("model.layers.{layer}");
            let input_norm = add(format!("{prefix}.input_layernorm.weight"), &[hidden]);
            let post_attention_norm = add(
                format!("{prefix}.post_attention_layernorm.weight"),
                &[hidden],
            );
            let mut linears = Vec::new();
            for target in Target::ALL {
                let (out, input) = target.shape(config);
                let module = target.module();
                let biased = match target {
                    Target::QProj | Target::KProj | Target::VProj => config.qkv_bias,
                    Target::OProj => config.o_bias,
                    _ => config.mlp_bias,
                };
                let weight = add(format!("{prefix}.{module}.weight"), &[out, input]);
                let bias = biased.then(|| add(format!("{prefix}.{module}.bias"), &[out]));
                linears.push(Linear {
                    weight,
                    bias,
                    out,
                    input,
                });
            }
            layers.push(LayerSpec {
                input_norm,
                post_attention_norm,
                linears,
            });
        }
        let norm = add("model.norm.weight".into(), &[hidden]);
        let head = if config.tie_word_embeddings {
            embedding
        } else {
            add("lm_head.weight".into(), &[vocab, hidden])
        };
        Self {
            weights,
            embedding,
            layers,
            norm,
            head,
        }
    }

    /// Whether a tensor is the matrix of a layer's projection.
    pub(crate) fn is_projection(&self, id: WeightId) -> bool {
        let mut linears = self.layers.iter().flat_map(|layer| &layer.linears);
        linears.any(|linear| linear.weight == id)
    }

    /// Every frozen tensor.
    pub fn weights(&self) -> &[WeightInfo] {
        &self.weights
    }
}
