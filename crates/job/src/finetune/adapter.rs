//! The `[adapter]` section: what is trained.

use std::path::PathBuf;

use assay_model::{
    BitFitConfig, Ia3Config, LoraConfig, Method, MethodError, PrivateLoraConfig, Target,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::JobError;

/// What is trained, in PEFT's words. Settings that a method does not have must be left out.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AdapterFile {
    /// The method; the other fields say which settings it has.
    method: MethodName,
    /// Start from this adapter instead of a fresh one: a PEFT folder with the same settings,
    /// relative to this file.
    pub(super) path: Option<PathBuf>,
    /// LoRA, PrivateLoRA: rank (default 8).
    r: Option<u32>,
    /// LoRA, PrivateLoRA: scale numerator; the update is multiplied by `lora_alpha / r` (default
    /// 16).
    lora_alpha: Option<u32>,
    /// LoRA: share of the adapter's inputs that a step leaves out (default 0).
    lora_dropout: Option<f32>,
    /// LoRA: divide by the root of r instead (default false).
    use_rslora: Option<bool>,
    /// LoRA: train lengths and directions apart, which is DoRA (default false).
    use_dora: Option<bool>,
    /// Which projections to adapt: any of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj,
    /// down_proj (default for lora q_proj and v_proj, for ia3 k_proj, v_proj and down_proj, else
    /// all).
    target_modules: Option<Vec<String>>,
    /// (IA)3: those of the projections whose input is scaled (default down_proj, if adapted).
    feedforward_modules: Option<Vec<String>>,
}

/// A fine-tuning method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum MethodName {
    /// Low-rank updates; with use_dora DoRA.
    #[default]
    Lora,
    /// Factors on keys, values and feed-forward inputs.
    Ia3,
    /// Biases only.
    #[serde(rename = "bitfit")]
    BitFit,
    /// A small matrix between two frozen ones.
    PrivateLora,
    /// Every tensor of the model.
    Full,
}

/// What the ledger holds of it: every setting of the method, and no other.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Adapter {
    Lora {
        r: u32,
        lora_alpha: u32,
        lora_dropout: f32,
        use_rslora: bool,
        use_dora: bool,
        target_modules: Vec<String>,
    },
    Ia3 {
        target_modules: Vec<String>,
        feedforward_modules: Vec<String>,
    },
    #[serde(rename = "bitfit")]
    BitFit {
        target_modules: Vec<String>,
    },
    PrivateLora {
        r: u32,
        lora_alpha: u32,
        target_modules: Vec<String>,
    },
    Full,
}

impl AdapterFile {
    /// Fills in the defaults of the method and refuses settings of others.
    pub(super) fn resolve(self) -> Result<Adapter, JobError> {
        let Self {
            method,
            path: _,
            r,
            lora_alpha,
            lora_dropout,
            use_rslora,
            use_dora,
            target_modules,
            feedforward_modules,
        } = self;
        let given = [
            ("adapter.r", r.is_some()),
            ("adapter.lora_alpha", lora_alpha.is_some()),
            ("adapter.lora_dropout", lora_dropout.is_some()),
            ("adapter.use_rslora", use_rslora.is_some()),
            ("adapter.use_dora", use_dora.is_some()),
            ("adapter.feedforward_modules", feedforward_modules.is_some()),
            ("adapter.target_modules", target_modules.is_some()),
        ];
        let foreign = match method {
            MethodName::Lora => &given[5..6],
            MethodName::PrivateLora => &given[2..6],
            MethodName::Ia3 => &given[..5],
            MethodName::BitFit => &given[..6],
            MethodName::Full => &given[..],
        };
        if let Some((field, _)) = foreign.iter().find(|(_, given)| *given) {
            let reason = "this method has no such setting; remove it, or choose another method";
            return Err(JobError::value(field, reason.to_owned()));
        }
        let targets = |default: &[&str]| {
            let named = || default.iter().map(|name| (*name).to_owned()).collect();
            target_modules.clone().unwrap_or_else(named)
        };
        let all = Target::ALL.map(Target::name);
        let (rank, alpha) = (r.unwrap_or(8), lora_alpha.unwrap_or(16));
        Ok(match method {
            MethodName::Lora => Adapter::Lora {
                r: rank,
                lora_alpha: alpha,
                lora_dropout: lora_dropout.unwrap_or(0.0),
                use_rslora: use_rslora.unwrap_or(false),
                use_dora: use_dora.unwrap_or(false),
                target_modules: targets(&["q_proj", "v_proj"]),
            },
            MethodName::PrivateLora => Adapter::PrivateLora {
                r: rank,
                lora_alpha: alpha,
                target_modules: targets(&all),
            },
            MethodName::Ia3 => {
                let target_modules = targets(&["k_proj", "v_proj", "down_proj"]);
                let down = |name: &&String| name.as_str() == "down_proj";
                let usual = || target_modules.iter().filter(down).cloned().collect();
                Adapter::Ia3 {
                    feedforward_modules: feedforward_modules.unwrap_or_else(usual),
                    target_modules,
                }
            }
            MethodName::BitFit => Adapter::BitFit {
                target_modules: targets(&all),
            },
            MethodName::Full => Adapter::Full,
        })
    }
}

impl Adapter {
    /// The method with its settings.
    pub(super) fn method(&self) -> Result<Method, MethodError> {
        match self {
            Self::Lora {
                r,
                lora_alpha,
                lora_dropout,
                use_rslora,
                use_dora,
                target_modules,
            } => {
                let dropout = f64::from(*lora_dropout);
                LoraConfig::new((*r).into(), (*lora_alpha).into(), dropout, target_modules)?
                    .with_rslora(*use_rslora)
                    .with_dora(*use_dora)
                    .map(Method::Lora)
            }
            Self::Ia3 {
                target_modules,
                feedforward_modules,
            } => Ia3Config::new(target_modules, feedforward_modules).map(Method::Ia3),
            Self::BitFit { target_modules } => {
                BitFitConfig::new(target_modules).map(Method::BitFit)
            }
            Self::PrivateLora {
                r,
                lora_alpha,
                target_modules,
            } => PrivateLoraConfig::new((*r).into(), (*lora_alpha).into(), target_modules)
                .map(Method::PrivateLora),
            Self::Full => Ok(Method::Full),
        }
    }
}
