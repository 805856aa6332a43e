//! The `[adapter]` section: what is trained.

mod file;

use std::collections::BTreeMap;

use assay_model::{
    BitFitConfig, Ia3Config, LoraConfig, Method, MethodError, Modules, Names, PrivateLoraConfig,
};
use serde::{Deserialize, Serialize};

pub(super) use file::AdapterFile;

/// A scale, written as a whole number where it is one.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(from = "f64")]
pub(super) struct Alpha(f32);

impl From<f64> for Alpha {
    fn from(alpha: f64) -> Self {
        Self(alpha as f32)
    }
}

impl Serialize for Alpha {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.fract() == 0.0 && (0.0..1e9).contains(&self.0) {
            true => serializer.serialize_u64(self.0 as u64),
            false => serializer.serialize_f32(self.0),
        }
    }
}

/// What the ledger holds of it: every setting of the method, and no other. What is newer than the
/// rest is left out where it is not used.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Adapter {
    Lora {
        r: u32,
        lora_alpha: Alpha,
        lora_dropout: f32,
        use_rslora: bool,
        use_dora: bool,
        target_modules: Names,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exclude_modules: Option<Names>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layers_to_transform: Option<Vec<i64>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layers_pattern: Option<Names>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rank_pattern: Option<BTreeMap<String, u32>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alpha_pattern: Option<BTreeMap<String, Alpha>>,
    },
    Ia3 {
        target_modules: Names,
        feedforward_modules: Names,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exclude_modules: Option<Names>,
    },
    #[serde(rename = "bitfit")]
    BitFit {
        target_modules: Names,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exclude_modules: Option<Names>,
    },
    PrivateLora {
        r: u32,
        lora_alpha: u32,
        target_modules: Names,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exclude_modules: Option<Names>,
    },
    Full,
}

impl Adapter {
    /// The method's name, as it stands in job files and in the terms of orders.
    pub(super) fn method_name(&self) -> &'static str {
        match self {
            Self::Lora { .. } => "lora",
            Self::Ia3 { .. } => "ia3",
            Self::BitFit { .. } => "bitfit",
            Self::PrivateLora { .. } => "private_lora",
            Self::Full => "full",
        }
    }

    /// Checks the settings without a model.
    pub(super) fn check(&self) -> Result<(), MethodError> {
        // A method for the largest model says whether any can have these settings; one for a small
        // one says the rest faster.
        if let Some(modules) = self.modules() {
            modules.check()?;
        }
        if let Self::Lora { .. } = self {
            return self.lora(None).map(drop);
        }
        Ok(())
    }

    /// Which modules are adapted; none with full fine-tuning, which has no adapter.
    fn modules(&self) -> Option<Modules> {
        let (target_modules, exclude_modules) = match self {
            Self::Lora {
                target_modules,
                exclude_modules,
                ..
            }
            | Self::Ia3 {
                target_modules,
                exclude_modules,
                ..
            }
            | Self::BitFit {
                target_modules,
                exclude_modules,
            }
            | Self::PrivateLora {
                target_modules,
                exclude_modules,
                ..
            } => (target_modules.clone(), exclude_modules.clone()),
            Self::Full => return None,
        };
        let mut modules = Modules {
            exclude_modules,
            ..Modules::new(target_modules)
        };
        match self {
            Self::Lora {
                layers_to_transform,
                layers_pattern,
                ..
            } => {
                modules.layers_to_transform.clone_from(layers_to_transform);
                modules.layers_pattern.clone_from(layers_pattern);
            }
            Self::Ia3 {
                feedforward_modules,
                ..
            } => modules.feedforward_modules = Some(feedforward_modules.clone()),
            _ => {}
        }
        Some(modules)
    }

    /// What a person should know of the settings on a model of so many layers.
    pub(super) fn notes(&self, layers: usize) -> Result<Vec<String>, MethodError> {
        let notes = self.modules().map(|modules| modules.notes(layers));
        let notes = notes.transpose()?.unwrap_or_default().into_iter();
        Ok(notes.map(|note| format!("adapter.{note}")).collect())
    }

    /// The method with its settings, on a model of so many layers.
    pub(super) fn method(&self, layers: usize) -> Result<Method, MethodError> {
        let Some(modules) = self.modules() else {
            return Ok(Method::Full);
        };
        let targets = modules.on(layers)?;
        match self {
            Self::Lora { .. } => self.lora(Some(layers)).map(Method::Lora),
            Self::Ia3 { .. } => {
                Ia3Config::on(targets, modules.feedforward_on(layers)?).map(Method::Ia3)
            }
            Self::BitFit { .. } => Ok(Method::BitFit(BitFitConfig::on(targets))),
            Self::PrivateLora { r, lora_alpha, .. } => {
                let targets = targets.uniform().ok_or_else(|| {
                    let text = "private_lora adapts the same projections in every layer";
                    MethodError::Setting(text.to_owned())
                })?;
                let names = targets.names();
                PrivateLoraConfig::new((*r).into(), (*lora_alpha).into(), &names)
                    .map(Method::PrivateLora)
            }
            Self::Full => Ok(Method::Full),
        }
    }

    /// LoRA's settings, on a model of so many layers; without one, with the numbers checked alone.
    fn lora(&self, layers: Option<usize>) -> Result<LoraConfig, MethodError> {
        let Self::Lora {
            r,
            lora_alpha,
            lora_dropout,
            use_rslora,
            use_dora,
            rank_pattern,
            alpha_pattern,
            ..
        } = self
        else {
            return Err(MethodError::NoTargets);
        };
        let plain = LoraConfig::new((*r).into(), 1, f64::from(*lora_dropout), &["q_proj"])?
            .with_alpha(f64::from(lora_alpha.0))?
            .with_rslora(*use_rslora)
            .with_dora(*use_dora)?;
        let ranks = rank_pattern.iter().flatten();
        let ranks = ranks
            .map(|(name, r)| (name.clone(), u64::from(*r)))
            .collect();
        let alphas = alpha_pattern.iter().flatten();
        let alphas = alphas
            .map(|(name, alpha)| (name.clone(), f64::from(alpha.0)))
            .collect();
        let (Some(layers), Some(modules)) = (layers, self.modules()) else {
            return plain.with_patterns(&ranks, &alphas, 1);
        };
        let selection = modules.on(layers)?;
        let lora = plain.on(selection).with_patterns(&ranks, &alphas, layers)?;
        match lora.unmatched(ranks.keys().chain(alphas.keys()), layers)? {
            Some(key) => Err(MethodError::Setting(format!(
                "rank_pattern or alpha_pattern has {key:?}, which matches no adapted projection"
            ))),
            None => Ok(lora),
        }
    }
}
