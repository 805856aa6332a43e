//! The section as people write it: defaults filled in, settings of other methods refused.

use std::collections::BTreeMap;
use std::path::PathBuf;

use assay_model::{Names, Target, check_settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Adapter;
use crate::error::JobError;

/// What is trained, in PEFT's words. Settings that a method does not have must be left out. PEFT's
/// settings that say nothing about what is computed may stay; any other is refused by name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(in crate::finetune) struct AdapterFile {
    /// The method; the other fields say which settings it has.
    method: MethodName,
    /// Start from this adapter instead of a fresh one: a PEFT folder with the same settings,
    /// relative to this file.
    pub(in crate::finetune) path: Option<PathBuf>,
    /// LoRA, PrivateLoRA: rank (default 8).
    r: Option<u32>,
    /// LoRA, PrivateLoRA: scale numerator; the update is multiplied by `lora_alpha / r` (default
    /// 16). PrivateLoRA has whole numbers only.
    lora_alpha: Option<f64>,
    /// LoRA: share of the adapter's inputs that a step leaves out (default 0).
    lora_dropout: Option<f32>,
    /// LoRA: divide by the root of r instead (default false).
    use_rslora: Option<bool>,
    /// LoRA: train lengths and directions apart, which is DoRA (default false).
    use_dora: Option<bool>,
    /// LoRA: ranks of projections whose full name ends with a match of the key, as in
    /// `{"layers.0.self_attn.q_proj" = 4}`.
    rank_pattern: Option<BTreeMap<String, u32>>,
    /// LoRA: lora_alpha of projections whose full name ends with a match of the key.
    alpha_pattern: Option<BTreeMap<String, f64>>,
    /// Which projections to adapt: a list of any of q_proj, k_proj, v_proj, o_proj, gate_proj,
    /// up_proj, down_proj, or of full names such as model.layers.0.self_attn.q_proj or ends of them;
    /// a regular expression for full names; or "all-linear" (default for lora q_proj and v_proj, for
    /// ia3 k_proj, v_proj and down_proj, else all).
    #[schemars(with = "Option<NamesSchema>")]
    target_modules: Option<Names>,
    /// Which of them not to adapt: a list or a regular expression of the same kind.
    #[schemars(with = "Option<NamesSchema>")]
    exclude_modules: Option<Names>,
    /// LoRA: adapt these layers only, counted from 0; goes with a list of target_modules.
    layers_to_transform: Option<LayerNumbers>,
    /// LoRA: what the list of layers is called; always "layers".
    #[schemars(with = "Option<NamesSchema>")]
    layers_pattern: Option<Names>,
    /// (IA)3: those of the projections whose input is scaled (default down_proj, if adapted).
    #[schemars(with = "Option<NamesSchema>")]
    feedforward_modules: Option<Names>,
    /// Whatever else stands there.
    #[serde(flatten)]
    #[schemars(skip)]
    others: serde_json::Map<String, serde_json::Value>,
}

/// A regular expression, or a list of names.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum NamesSchema {
    Pattern(String),
    List(Vec<String>),
}

/// A layer or several. Which there are, the model says, so that it can be told with a wrong one.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "this must be a layer's number, counted from 0, or a list of them"
)]
enum LayerNumbers {
    One(#[schemars(with = "u32")] i64),
    Several(#[schemars(with = "Vec<u32>")] Vec<i64>),
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

/// The settings that have a field of their own, for who mistypes one.
const SETTINGS: &str = "method, path, r, lora_alpha, lora_dropout, use_rslora, use_dora, \
                        rank_pattern, alpha_pattern, target_modules, exclude_modules, \
                        layers_to_transform, layers_pattern, feedforward_modules";

impl AdapterFile {
    /// Fills in the defaults of the method and refuses settings of others.
    pub(in crate::finetune) fn resolve(self) -> Result<Adapter, JobError> {
        check_settings(&self.others, &[], false).map_err(|reason| {
            JobError::value(
                "adapter",
                format!("{reason}; the settings here are {SETTINGS}"),
            )
        })?;
        let given = [
            ("adapter.r", self.r.is_some()),
            ("adapter.lora_alpha", self.lora_alpha.is_some()),
            ("adapter.lora_dropout", self.lora_dropout.is_some()),
            ("adapter.use_rslora", self.use_rslora.is_some()),
            ("adapter.use_dora", self.use_dora.is_some()),
            ("adapter.rank_pattern", self.rank_pattern.is_some()),
            ("adapter.alpha_pattern", self.alpha_pattern.is_some()),
            (
                "adapter.layers_to_transform",
                self.layers_to_transform.is_some(),
            ),
            ("adapter.layers_pattern", self.layers_pattern.is_some()),
            (
                "adapter.feedforward_modules",
                self.feedforward_modules.is_some(),
            ),
            ("adapter.target_modules", self.target_modules.is_some()),
            ("adapter.exclude_modules", self.exclude_modules.is_some()),
        ];
        let foreign = match self.method {
            MethodName::Lora => &given[9..10],
            MethodName::PrivateLora => &given[2..10],
            MethodName::Ia3 => &given[..9],
            MethodName::BitFit => &given[..10],
            MethodName::Full => &given[..],
        };
        if let Some((field, _)) = foreign.iter().find(|(_, given)| *given) {
            let reason = "this method has no such setting; remove it, or choose another method";
            return Err(JobError::value(field, reason.to_owned()));
        }
        let target_modules = self.target_modules;
        let targets = |default: &[&str]| {
            let named = || Names::List(default.iter().map(|name| (*name).to_owned()).collect());
            target_modules.clone().unwrap_or_else(named)
        };
        let all = Target::ALL.map(Target::name);
        let (rank, alpha) = (self.r.unwrap_or(8), self.lora_alpha.unwrap_or(16.0));
        let exclude_modules = self.exclude_modules;
        Ok(match self.method {
            MethodName::Lora => Adapter::Lora {
                r: rank,
                lora_alpha: alpha.into(),
                lora_dropout: self.lora_dropout.unwrap_or(0.0),
                use_rslora: self.use_rslora.unwrap_or(false),
                use_dora: self.use_dora.unwrap_or(false),
                target_modules: targets(&["q_proj", "v_proj"]),
                exclude_modules,
                layers_to_transform: self.layers_to_transform.map(|layers| match layers {
                    LayerNumbers::One(layer) => vec![layer],
                    LayerNumbers::Several(layers) => layers,
                }),
                layers_pattern: self.layers_pattern,
                rank_pattern: self.rank_pattern,
                alpha_pattern: self.alpha_pattern.map(|pattern| {
                    let alphas = pattern.into_iter();
                    alphas.map(|(name, alpha)| (name, alpha.into())).collect()
                }),
            },
            MethodName::PrivateLora => Adapter::PrivateLora {
                r: rank,
                lora_alpha: whole(alpha)?,
                target_modules: targets(&all),
                exclude_modules,
            },
            MethodName::Ia3 => {
                let target_modules = targets(&["k_proj", "v_proj", "down_proj"]);
                let usual = || usual_feedforward(&target_modules);
                Adapter::Ia3 {
                    feedforward_modules: self.feedforward_modules.unwrap_or_else(usual),
                    target_modules,
                    exclude_modules,
                }
            }
            MethodName::BitFit => Adapter::BitFit {
                target_modules: targets(&all),
                exclude_modules,
            },
            MethodName::Full => Adapter::Full,
        })
    }
}

/// The modules whose input (IA)3 scales where nothing is said: those of `down_proj` among a list's;
/// with an expression all that it matches.
fn usual_feedforward(target_modules: &Names) -> Names {
    match target_modules {
        Names::List(names) => {
            let is_down = |name: &&String| name.rsplit('.').next() == Some("down_proj");
            Names::List(names.iter().filter(is_down).cloned().collect())
        }
        Names::Pattern(_) => Names::Pattern(r".*\.down_proj".to_owned()),
    }
}

fn whole(alpha: f64) -> Result<u32, JobError> {
    match alpha.fract() == 0.0 && (0.0..=65_536.0).contains(&alpha) {
        true => Ok(alpha as u32),
        false => {
            let reason =
                format!("private_lora has whole numbers up to 65536 only, and this is {alpha}");
            Err(JobError::value("adapter.lora_alpha", reason))
        }
    }
}
