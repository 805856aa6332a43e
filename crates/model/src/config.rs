//! `config.json`: the shape of a Llama-family decoder.

use serde_json::Value;

mod limits;

use crate::error::LoadError;

/// Positions for which rotary tables are made; longer contexts are not trained.
pub const MAX_POSITIONS: usize = 8192;
/// `rms_norm_eps` lies above this: what is far below vanishes in f32, and a row of zeros would be
/// divided by zero.
pub(crate) const MIN_EPS: f64 = 1e-15;
/// The most of each size.
pub(crate) const MAX_VOCAB: usize = 1 << 20;
pub(crate) const MAX_HIDDEN: usize = 65_536;
pub(crate) const MAX_INTERMEDIATE: usize = 1 << 20;
pub(crate) const MAX_LAYERS: usize = 1024;
pub(crate) const MAX_HEADS: usize = 1024;

/// The shape and constants of a decoder, in the names of Hugging Face's `config.json`.
///
/// Covers the architectures called `llama`, `mistral` and `qwen2` (rows no longer than a sliding window):
/// pre-norm RMSNorm, rotary positions, causal attention with grouped queries, SwiGLU.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward block.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; divides the query heads.
    pub num_key_value_heads: usize,
    /// Width of a head; even.
    pub head_dim: usize,
    /// The longest context the model was made for.
    pub max_position_embeddings: usize,
    /// The tokens that a position sees at most, itself included, where the model limits that. Rows
    /// of that length have full attention, and longer ones are not computed.
    pub sliding_window: Option<usize>,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Llama 3's stretching of the low rotary frequencies.
    pub rope_scaling: Option<Llama3Scaling>,
    /// Whether `q_proj`, `k_proj` and `v_proj` have biases.
    pub qkv_bias: bool,
    /// Whether `o_proj` has a bias.
    pub o_bias: bool,
    /// Whether the feed-forward projections have biases.
    pub mlp_bias: bool,
    /// Whether the output projection is the embedding.
    pub tie_word_embeddings: bool,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
}

/// `rope_scaling` of type `llama3`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Llama3Scaling {
    /// How much the lowest frequencies are slowed.
    pub factor: f64,
    /// Below `original / low_freq_factor` wavelengths are slowed entirely above it.
    pub low_freq_factor: f64,
    /// Wavelengths below `original / high_freq_factor` are kept.
    pub high_freq_factor: f64,
    /// The context before stretching.
    pub original_max_position_embeddings: f64,
}

impl ModelConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// When a field is missing, outside its range, or asks for something this program does not
    /// compute: the message names the field and the values that work.
    pub fn from_json(bytes: &[u8]) -> Result<Self, LoadError> {
        if bytes.len() > 1 << 20 {
            return Err(LoadError::config("it has more than 1 MiB"));
        }
        let value: Value =
            assay_data::from_json(bytes).map_err(|fault| LoadError::config(fault.to_string()))?;
        let fields = Fields(&value);
        let kind = value["model_type"].as_str().unwrap_or("none");
        // What a position may look back to is a default of the architecture, where nothing is said.
        let (qwen, positions) = match kind {
            "llama" => (false, 2_048),
            "mistral" => (false, 131_072),
            "qwen2" => (true, 32_768),
            other => {
                return Err(LoadError::config(format!(
                    "model_type is {other:?}; this program trains llama, mistral and qwen2"
                )));
            }
        };
        fields.refuse_unsupported()?;
        let heads = fields.size("num_attention_heads", None, MAX_HEADS)?;
        let hidden = fields.size("hidden_size", None, MAX_HIDDEN)?;
        let head_dim = match value.get("head_dim") {
            None | Some(Value::Null) if hidden % heads == 0 => hidden / heads,
            None | Some(Value::Null) => {
                return Err(LoadError::config(format!(
                    "hidden_size {hidden} is no multiple of num_attention_heads {heads}; give head_dim"
                )));
            }
            Some(_) => fields.size("head_dim", None, MAX_HEADS)?,
        };
        let layers = fields.size("num_hidden_layers", None, MAX_LAYERS)?;
        let attention_bias = fields.flag("attention_bias")?;
        let (rope_theta, rope_scaling) = fields.rope()?;
        let config = Self {
            vocab_size: fields.size("vocab_size", None, MAX_VOCAB)?,
            hidden_size: hidden,
            intermediate_size: fields.size("intermediate_size", None, MAX_INTERMEDIATE)?,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            num_key_value_heads: fields.size("num_key_value_heads", Some(heads), MAX_HEADS)?,
            head_dim,
            max_position_embeddings: fields.size(
                "max_position_embeddings",
                Some(positions),
                1 << 24,
            )?,
            sliding_window: fields.window(layers)?,
            rms_norm_eps: fields.number("rms_norm_eps", Some(1e-6), MIN_EPS, 1.0)? as f32,
            rope_theta,
            rope_scaling,
            qkv_bias: qwen || attention_bias,
            o_bias: !qwen && attention_bias,
            mlp_bias: fields.flag("mlp_bias")?,
            tie_word_embeddings: fields.flag("tie_word_embeddings")?,
            eos_token_ids: token_ids(&value["eos_token_id"]),
        };
        config.check()?;
        Ok(config)
    }

    /// Checks the relations between fields.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        let (heads, kv) = (self.num_attention_heads, self.num_key_value_heads);
        if kv == 0 || heads % kv != 0 {
            return Err(LoadError::config(format!(
                "num_attention_heads {heads} is no multiple of num_key_value_heads {kv}"
            )));
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) {
            return Err(LoadError::config(format!(
                "head_dim is {}; rotary positions need an even width",
                self.head_dim
            )));
        }
        Ok(())
    }

    /// Width of all query heads together.
    pub fn query_width(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// Width of all key heads together.
    pub fn key_width(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// The longest sequence that can be computed.
    pub fn max_sequence(&self) -> usize {
        let seen = self.sliding_window.unwrap_or(MAX_POSITIONS);
        self.max_position_embeddings.min(MAX_POSITIONS).min(seen)
    }
}

/// One id or a list of them; anything else is none.
pub(crate) fn token_ids(value: &Value) -> Vec<u32> {
    let id = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(list) => list.iter().take(64).filter_map(id).collect(),
        other => id(other).into_iter().collect(),
    }
}

struct Fields<'a>(&'a Value);

impl Fields<'_> {
    fn size(&self, name: &str, default: Option<usize>, max: usize) -> Result<usize, LoadError> {
        let value = match (self.0.get(name), default) {
            (None | Some(Value::Null), Some(default)) => return Ok(default),
            (None | Some(Value::Null), None) => None,
            (Some(value), _) => value.as_u64().and_then(|n| usize::try_from(n).ok()),
        };
        match value {
            Some(n) if (1..=max).contains(&n) => Ok(n),
            _ => Err(LoadError::config(format!(
                "{name} is {}; it must be a whole number from 1 to {max}",
                shown(self.0.get(name))
            ))),
        }
    }

    fn number(
        &self,
        name: &str,
        default: Option<f64>,
        above: f64,
        max: f64,
    ) -> Result<f64, LoadError> {
        let value = match (self.0.get(name), default) {
            (None | Some(Value::Null), Some(default)) => return Ok(default),
            (None | Some(Value::Null), None) => None,
            (Some(value), _) => value.as_f64(),
        };
        match value {
            Some(x) if x > above && x <= max => Ok(x),
            _ => Err(LoadError::config(format!(
                "{name} is {}; it must be a number above {above} and at most {max}",
                shown(self.0.get(name))
            ))),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, LoadError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            other => Err(LoadError::config(format!(
                "{name} is {}; it must be true or false",
                shown(other)
            ))),
        }
    }

    /// Rotary settings, in the words of transformers 4 (`rope_theta`, `rope_scaling`) or 5
    /// (`rope_parameters`).
    fn rope(&self) -> Result<(f64, Option<Llama3Scaling>), LoadError> {
        let filled = |name: &str| self.0.get(name).filter(|v| !v.is_null());
        let (new, old) = (filled("rope_parameters"), filled("rope_scaling"));
        if let (Some(new), Some(old)) = (new, old)
            && new != old
        {
            return Err(LoadError::config(
                "rope_parameters and rope_scaling say different things; remove the one that does not hold",
            ));
        }
        let inner = new.or(old);
        if let Some(rope) = inner {
            check_rope(rope)?;
        }
        let theta_in = match inner {
            Some(rope) if rope.get("rope_theta").is_some() => Fields(rope),
            _ => Fields(self.0),
        };
        let theta = theta_in.number("rope_theta", Some(10_000.0), 1.0, 1e12)?;
        let Some(rope) = inner else {
            return Ok((theta, None));
        };
        let kind = rope.get("rope_type").or_else(|| rope.get("type"));
        let kind = kind.filter(|kind| !kind.is_null());
        let is_one = |name: &str| rope[name].as_f64() == Some(1.0);
        let unset = |name: &str| rope[name].is_null() || is_one(name);
        let amount = ["attention_factor", "mscale", "mscale_all_dim"];
        match kind.and_then(Value::as_str) {
            Some("default") => Ok((theta, None)),
            None if kind.is_none() && unset("factor") => Ok((theta, None)),
            // Stretching by a factor of 1 stretches nothing.
            Some("linear") if is_one("factor") => Ok((theta, None)),
            Some("yarn") if is_one("factor") && amount.iter().all(|name| unset(name)) => {
                Ok((theta, None))
            }
            // It begins to stretch beyond max_position_embeddings, where nothing is computed.
            Some("dynamic") => Ok((theta, None)),
            Some("llama3") => {
                let rope = Fields(rope);
                let scaling = Llama3Scaling {
                    factor: rope.number("factor", None, 0.0, 1e6)?,
                    low_freq_factor: rope.number("low_freq_factor", None, 0.0, 1e6)?,
                    high_freq_factor: rope.number("high_freq_factor", None, 0.0, 1e6)?,
                    original_max_position_embeddings: rope.number(
                        "original_max_position_embeddings",
                        None,
                        0.0,
                        1e9,
                    )?,
                };
                if scaling.high_freq_factor <= scaling.low_freq_factor {
                    return Err(LoadError::config(
                        "high_freq_factor must be larger than low_freq_factor",
                    ));
                }
                Ok((theta, Some(scaling)))
            }
            _ => Err(LoadError::config(format!(
                "rope type is {}; default, dynamic and llama3 are computed",
                shown(kind)
            ))),
        }
    }
}

/// Refuses rotary settings that would be passed over.
fn check_rope(rope: &Value) -> Result<(), LoadError> {
    const KNOWN: [&str; 14] = [
        "rope_type",
        "type",
        "rope_theta",
        "factor",
        "low_freq_factor",
        "high_freq_factor",
        "original_max_position_embeddings",
        "max_position_embeddings",
        "attention_factor",
        "mscale",
        "mscale_all_dim",
        "beta_fast",
        "beta_slow",
        "truncate",
    ];
    let Some(fields) = rope.as_object() else {
        return Err(LoadError::config(format!(
            "the rotary settings are {}; they must be an object with rope_type and rope_theta",
            shown(Some(rope))
        )));
    };
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let whole = name == "partial_rotary_factor" && value.as_f64() == Some(1.0);
        if !whole && !KNOWN.contains(&name.as_str()) {
            let name: String = name.chars().take(60).collect();
            return Err(LoadError::config(format!(
                "the rotary setting {name} is {}, and it is not known here what that changes",
                shown(Some(value))
            )));
        }
    }
    Ok(())
}

/// A value in a message: short, whatever it holds.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => "missing".into(),
        Some(value) => value.to_string().chars().take(60).collect(),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
