//! Settings of `config.json` that would change the result and are not computed, told apart from those
//! that change nothing.

use serde_json::Value;

use super::{Fields, shown};
use crate::error::LoadError;

/// Settings of related architectures that change the arithmetic whenever they are on.
const UNKNOWN_ARITHMETIC: [&str; 12] = [
    "attention_chunk_size",
    "attention_multiplier",
    "attn_logit_softcapping",
    "clip_qkv",
    "embedding_multiplier",
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
    "qk_layernorm",
    "query_pre_attn_scalar",
    "residual_multiplier",
    "use_qk_norm",
];

impl Fields<'_> {
    /// Whether a setting is left out, or written as nothing.
    fn absent(&self, name: &str) -> bool {
        match self.0.get(name) {
            None | Some(Value::Null) => true,
            Some(Value::Object(fields)) => fields.is_empty(),
            Some(_) => false,
        }
    }

    fn refusal(&self, name: &str, remedy: &str) -> LoadError {
        let value = shown(self.0.get(name));
        LoadError::config(format!("{name} is {value}; {remedy}"))
    }

    /// Refuses options that would change the result and are not computed.
    pub(super) fn refuse_unsupported(&self) -> Result<(), LoadError> {
        let refuse = |name: &str, remedy: &str| Err(self.refusal(name, remedy));
        // Two names of one function.
        let silu = self.0["hidden_act"] == "silu" || self.0["hidden_act"] == "swish";
        if !self.absent("hidden_act") && !silu {
            return refuse("hidden_act", "only silu is computed");
        }
        for name in ["quantization_config", "compression_config"] {
            if !self.absent(name) {
                return refuse(name, "save the model with plain f32, f16 or bf16 weights");
            }
        }
        for name in ["attention_dropout", "hidden_dropout", "resid_pdrop"] {
            if !self.absent(name) && self.0[name].as_f64() != Some(0.0) {
                return refuse(name, "set it to 0.0");
            }
        }
        if !self.absent("partial_rotary_factor")
            && self.0["partial_rotary_factor"].as_f64() != Some(1.0)
        {
            return refuse("partial_rotary_factor", "only whole heads are rotated");
        }
        if self.flag("rope_interleaved")? {
            return refuse(
                "rope_interleaved",
                "convert the weights to the half-split layout",
            );
        }
        for name in UNKNOWN_ARITHMETIC {
            let neutral = match self.0.get(name) {
                Some(Value::Bool(on)) => !on,
                // A factor of 1.
                Some(Value::Number(n)) => {
                    n.as_f64() == Some(1.0)
                        && (name.ends_with("multiplier") || name.starts_with("logit"))
                }
                _ => self.absent(name),
            };
            if !neutral {
                return refuse(name, "this program does not compute it; use another model");
            }
        }
        Ok(())
    }

    /// The tokens that a position sees at most, itself included, if some layer looks no further back:
    /// within rows of that length attention is full.
    pub(super) fn window(&self, layers: usize) -> Result<Option<usize>, LoadError> {
        let kinds = match self.0.get("layer_types") {
            Some(Value::Array(kinds)) => kinds.as_slice(),
            _ => &[],
        };
        let known = |kind: &&Value| *kind == "full_attention" || *kind == "sliding_attention";
        if let Some(other) = kinds.iter().find(|kind| !known(kind)) {
            return Err(LoadError::config(format!(
                "layer_types has {}; only full_attention and sliding_attention are known",
                shown(Some(other))
            )));
        }
        if self.absent("sliding_window") {
            return Ok(None);
        }
        if self.0["model_type"] == "qwen2" {
            // The first so many layers look back without limit.
            let full = self.0["max_window_layers"].as_u64().unwrap_or(28);
            let none = kinds.is_empty() && full >= layers as u64;
            if none || !self.flag("use_sliding_window")? {
                return Ok(None);
            }
        }
        if !kinds.is_empty() && kinds.iter().all(|kind| kind == "full_attention") {
            return Ok(None);
        }
        self.size("sliding_window", None, 1 << 24).map(Some)
    }
}
