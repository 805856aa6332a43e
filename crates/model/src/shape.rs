//! What anyone may know of a model: the sizes that decide which operators a step has.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Serialize;

use crate::config::{self, ModelConfig};
use crate::error::LoadError;

/// The sizes of a decoder, without its files: enough to enumerate the operators of a step and to
/// tell the memory and the arithmetic that it takes. Rotary settings are not among them: they decide
/// the values of tables, and of no operator.
///
/// Its bytes are [`ModelShape::VERSION`] and then the fields in this order, integers and the f32
/// little-endian, flags one byte each. Orders show them to everybody.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct ModelShape {
    /// Rows of the embedding.
    pub vocab_size: u32,
    /// Width of the residual stream.
    pub hidden_size: u32,
    /// Width inside the feed-forward block.
    pub intermediate_size: u32,
    /// Layers.
    pub num_hidden_layers: u32,
    /// Query heads.
    pub num_attention_heads: u32,
    /// Key and value heads.
    pub num_key_value_heads: u32,
    /// Width of a head.
    pub head_dim: u32,
    /// The longest sequence that can be computed.
    pub max_sequence: u32,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_eps: f32,
    /// Whether `q_proj`, `k_proj` and `v_proj` have biases.
    pub qkv_bias: bool,
    /// Whether `o_proj` has a bias.
    pub o_bias: bool,
    /// Whether the feed-forward projections have biases.
    pub mlp_bias: bool,
    /// Whether the output projection is the embedding.
    pub tie_word_embeddings: bool,
}

impl ModelShape {
    /// The first byte of a shape: the version of the format.
    pub const VERSION: u8 = 1;
    /// Bytes of a shape.
    pub const BYTES: usize = 41;

    /// That of a model. Sizes that `config.json` may have fit.
    pub fn of(config: &ModelConfig) -> Self {
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            vocab_size: size(config.vocab_size),
            hidden_size: size(config.hidden_size),
            intermediate_size: size(config.intermediate_size),
            num_hidden_layers: size(config.num_hidden_layers),
            num_attention_heads: size(config.num_attention_heads),
            num_key_value_heads: size(config.num_key_value_heads),
            head_dim: size(config.head_dim),
            max_sequence: size(config.max_sequence()),
            rms_norm_eps: config.rms_norm_eps,
            qkv_bias: config.qkv_bias,
            o_bias: config.o_bias,
            mlp_bias: config.mlp_bias,
            tie_word_embeddings: config.tie_word_embeddings,
        }
    }

    /// The bytes of the shape.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION];
        // Serialising into memory cannot fail.
        bytes.extend(borsh::to_vec(self).unwrap_or_default());
        bytes
    }

    /// The shape behind such bytes. A model may have its sizes, whether or not there is one.
    ///
    /// # Errors
    /// For other bytes, and for sizes that [`ModelShape::config`] refuses.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoadError> {
        let Some((&Self::VERSION, fields)) = bytes.split_first() else {
            let problem = "the sizes of the model are in a format that this program does not know";
            return Err(LoadError::config(problem));
        };
        let shape: Self = borsh::from_slice(fields).map_err(|error| {
            LoadError::config(format!("the sizes of the model do not decode: {error}"))
        })?;
        shape.config()?;
        Ok(shape)
    }

    /// Each size by its name in `config.json`, as text.
    pub fn named(&self) -> [(&'static str, String); 13] {
        [
            ("vocab_size", self.vocab_size.to_string()),
            ("hidden_size", self.hidden_size.to_string()),
            ("intermediate_size", self.intermediate_size.to_string()),
            ("num_hidden_layers", self.num_hidden_layers.to_string()),
            ("num_attention_heads", self.num_attention_heads.to_string()),
            ("num_key_value_heads", self.num_key_value_heads.to_string()),
            ("head_dim", self.head_dim.to_string()),
            ("max_sequence", self.max_sequence.to_string()),
            ("rms_norm_eps", self.rms_norm_eps.to_string()),
            ("qkv_bias", self.qkv_bias.to_string()),
            ("o_bias", self.o_bias.to_string()),
            ("mlp_bias", self.mlp_bias.to_string()),
            ("tie_word_embeddings", self.tie_word_embeddings.to_string()),
        ]
    }

    /// A configuration of this shape, to enumerate and to price steps with
    /// ([`build_graph_in`](crate::build_graph_in), [`Footprint`](crate::Footprint)): it has the
    /// model's operators, and neither its rotary tables nor the tokens that end a text.
    ///
    /// # Errors
    /// When a size lies outside what a model may have, or two contradict each other.
    pub fn config(&self) -> Result<ModelConfig, LoadError> {
        let size = |name: &str, found: u32, most: usize| match found as usize {
            size if (1..=most).contains(&size) => Ok(size),
            size => Err(LoadError::config(format!(
                "{name} is {size}; a model has 1 to {most}"
            ))),
        };
        let eps = self.rms_norm_eps;
        if !(eps >= config::MIN_EPS as f32 && eps <= 1.0) {
            return Err(LoadError::config(format!("rms_norm_eps is {eps}")));
        }
        let model = ModelConfig {
            vocab_size: size("vocab_size", self.vocab_size, config::MAX_VOCAB)?,
            hidden_size: size("hidden_size", self.hidden_size, config::MAX_HIDDEN)?,
            intermediate_size: size(
                "intermediate_size",
                self.intermediate_size,
                config::MAX_INTERMEDIATE,
            )?,
            num_hidden_layers: size(
                "num_hidden_layers",
                self.num_hidden_layers,
                config::MAX_LAYERS,
            )?,
            num_attention_heads: size(
                "num_attention_heads",
                self.num_attention_heads,
                config::MAX_HEADS,
            )?,
            num_key_value_heads: size(
                "num_key_value_heads",
                self.num_key_value_heads,
                config::MAX_HEADS,
            )?,
            head_dim: size("head_dim", self.head_dim, config::MAX_HEADS)?,
            max_position_embeddings: size("max_sequence", self.max_sequence, crate::MAX_POSITIONS)?,
            sliding_window: None,
            rms_norm_eps: eps,
            rope_theta: 10_000.0,
            rope_scaling: None,
            qkv_bias: self.qkv_bias,
            o_bias: self.o_bias,
            mlp_bias: self.mlp_bias,
            tie_word_embeddings: self.tie_word_embeddings,
            eos_token_ids: Vec::new(),
        };
        model.check()?;
        Ok(model)
    }
}

impl std::fmt::Display for ModelShape {
    /// What tells models apart at a glance.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            num_hidden_layers,
            hidden_size,
            vocab_size,
            max_sequence,
            ..
        } = self;
        write!(
            f,
            "{num_hidden_layers} layers of width {hidden_size}, a vocabulary of {vocab_size}, \
             sequences of at most {max_sequence}"
        )
    }
}
