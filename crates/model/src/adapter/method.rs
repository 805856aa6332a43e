//! How a model is fine-tuned: which tensors are trained, and where they enter.
//!
//! Settings have the names that Hugging Face PEFT gives them.

use super::lora::LoraConfig;
use super::select::Selection;
use crate::error::MethodError;
use crate::target::Targets;

/// (IA)3 (Liu et al., 2022): one trained factor for each output of a projection or, for
/// `feedforward_modules`, for each input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ia3Config {
    target_modules: Selection,
    feedforward_modules: Selection,
}

impl Ia3Config {
    /// Checks settings as a job or an `adapter_config.json` gives them.
    ///
    /// # Errors
    /// When a name is unknown, there is none, or a feed-forward module is no target.
    pub fn new<S: AsRef<str>>(
        target_modules: &[S],
        feedforward_modules: &[S],
    ) -> Result<Self, MethodError> {
        let target_modules = Targets::new(target_modules)?;
        let feedforward_modules = Targets::or_none(feedforward_modules)?;
        Self::on(target_modules.into(), feedforward_modules.into())
    }

    /// On projections that may differ from layer to layer.
    ///
    /// # Errors
    /// When a feed-forward module is no target.
    pub fn on(
        target_modules: Selection,
        feedforward_modules: Selection,
    ) -> Result<Self, MethodError> {
        if !feedforward_modules.is_within(&target_modules) {
            return Err(MethodError::FeedForward);
        }
        Ok(Self {
            target_modules,
            feedforward_modules,
        })
    }

    /// The adapted projections.
    pub fn target_modules(&self) -> &Selection {
        &self.target_modules
    }

    /// Those of which the input is scaled.
    pub fn feedforward_modules(&self) -> &Selection {
        &self.feedforward_modules
    }
}

/// BitFit (Ben Zaken et al., 2021): only the biases of projections are trained. A projection that
/// has none gets one of zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitFitConfig {
    target_modules: Selection,
}

impl BitFitConfig {
    /// Checks the projections.
    ///
    /// # Errors
    /// When a name is unknown or there is none.
    pub fn new<S: AsRef<str>>(target_modules: &[S]) -> Result<Self, MethodError> {
        let target_modules = Targets::new(target_modules)?.into();
        Ok(Self { target_modules })
    }

    /// On projections that may differ from layer to layer.
    pub fn on(target_modules: Selection) -> Self {
        Self { target_modules }
    }

    /// The projections whose bias is trained.
    pub fn target_modules(&self) -> &Selection {
        &self.target_modules
    }
}

/// PrivateLoRA (Wang et al., 2023): `y = x W^T + s x A^T M^T B^T` with only M, `[r, r]`, trained; A
/// and B stay as they were drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateLoraConfig {
    r: u32,
    lora_alpha: u32,
    target_modules: Targets,
}

impl PrivateLoraConfig {
    /// Checks settings as a job gives them.
    ///
    /// # Errors
    /// [`MethodError`] names the setting and its valid values.
    pub fn new<S: AsRef<str>>(
        r: u64,
        lora_alpha: u64,
        target_modules: &[S],
    ) -> Result<Self, MethodError> {
        Ok(Self {
            r: rank(r)?,
            lora_alpha: whole_alpha(lora_alpha)?,
            target_modules: Targets::new(target_modules)?,
        })
    }

    /// Rank.
    pub fn r(&self) -> usize {
        self.r as usize
    }

    /// Numerator of the scale.
    pub fn lora_alpha(&self) -> u32 {
        self.lora_alpha
    }

    /// The adapted projections.
    pub fn target_modules(&self) -> Targets {
        self.target_modules
    }

    /// `lora_alpha / r`.
    pub fn scale(&self) -> f32 {
        self.lora_alpha as f32 / self.r as f32
    }
}

/// A fine-tuning method with its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Low-rank updates of projections; with `use_dora` DoRA.
    Lora(LoraConfig),
    /// Factors on inputs or outputs of projections.
    Ia3(Ia3Config),
    /// Biases of projections.
    BitFit(BitFitConfig),
    /// A small matrix between two frozen ones.
    PrivateLora(PrivateLoraConfig),
    /// Every tensor of the model.
    Full,
}

impl Method {
    /// The adapted projections; none for [`Method::Full`], which has no adapter.
    pub fn target_modules(&self) -> Selection {
        match self {
            Self::Lora(lora) => lora.target_modules.clone(),
            Self::Ia3(ia3) => ia3.target_modules.clone(),
            Self::BitFit(bitfit) => bitfit.target_modules.clone(),
            Self::PrivateLora(private) => private.target_modules.into(),
            Self::Full => Targets::NONE.into(),
        }
    }

    /// The adapted projections of a layer.
    pub fn targets_at(&self, layer: usize) -> Targets {
        match self {
            Self::Lora(lora) => lora.target_modules.at(layer),
            Self::Ia3(ia3) => ia3.target_modules.at(layer),
            Self::BitFit(bitfit) => bitfit.target_modules.at(layer),
            Self::PrivateLora(private) => private.target_modules,
            Self::Full => Targets::NONE,
        }
    }

    /// The settings as bytes, one encoding for each: the method's number, the projections, then
    /// numbers in the order of the fields, little-endian. Where layers differ, projections are
    /// [`BY_LAYER`] in their place, and behind everything else their number of layers and a byte for
    /// each; last, if there are any, the exceptions: layer, projection, rank and scale.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.number()];
        let mut later = Vec::new();
        put(&self.target_modules(), &mut out, &mut later);
        match self {
            Self::Lora(lora) => lora.encode(&mut out, &mut later),
            Self::Ia3(ia3) => put(&ia3.feedforward_modules, &mut out, &mut later),
            Self::PrivateLora(private) => {
                out.extend_from_slice(&private.r.to_le_bytes());
                out.extend_from_slice(&private.lora_alpha.to_le_bytes());
            }
            Self::BitFit(_) | Self::Full => {}
        }
        out.append(&mut later);
        out
    }

    fn number(&self) -> u8 {
        match self {
            Self::Full => 0,
            Self::Lora(_) => 1,
            Self::Ia3(_) => 2,
            Self::BitFit(_) => 3,
            Self::PrivateLora(_) => 4,
        }
    }
}

impl From<LoraConfig> for Method {
    fn from(lora: LoraConfig) -> Self {
        Self::Lora(lora)
    }
}

/// Stands for projections that differ from layer to layer; no set of projections has this byte.
const BY_LAYER: u8 = 0x80;

fn put(selection: &Selection, out: &mut Vec<u8>, later: &mut Vec<u8>) {
    match (selection.uniform(), selection.layers()) {
        (Some(targets), _) => out.push(targets.bits()),
        (None, layers) => {
            let layers = layers.unwrap_or_default();
            out.push(BY_LAYER);
            later.extend_from_slice(&(layers.len() as u32).to_le_bytes());
            later.extend(layers.iter().map(|targets| targets.bits()));
        }
    }
}

pub(super) fn rank(r: u64) -> Result<u32, MethodError> {
    bounded(r, 1024).ok_or(MethodError::BadRank(r))
}

fn whole_alpha(lora_alpha: u64) -> Result<u32, MethodError> {
    bounded(lora_alpha, 65_536).ok_or_else(|| MethodError::BadAlpha(lora_alpha.to_string()))
}

fn bounded(n: u64, max: u32) -> Option<u32> {
    let n = u32::try_from(n).ok();
    n.filter(|n| (1..=max).contains(n))
}
