//! How a model is fine-tuned: which tensors are trained, and where they enter.
//!
//! Settings have the names that Hugging Face PEFT gives them.

use super::target::{Target, Targets};
use crate::error::MethodError;

/// LoRA (Hu et al., 2021): `y = x W^T + s drop(x) A^T B^T`, with A and B trained.
///
/// `s` is `lora_alpha / r`, with `use_rslora` (Kalajdzievski, 2023) `lora_alpha / sqrt(r)`. With
/// `use_dora` (Liu et al., 2024) the rows of `W + s B A` are scaled to trained lengths.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraConfig {
    r: u32,
    lora_alpha: u32,
    lora_dropout: f32,
    use_rslora: bool,
    use_dora: bool,
    target_modules: Targets,
}

impl LoraConfig {
    /// Checks settings as a job or an `adapter_config.json` gives them.
    ///
    /// # Errors
    /// [`MethodError`] names the setting and its valid values.
    pub fn new<S: AsRef<str>>(
        r: u64,
        lora_alpha: u64,
        lora_dropout: f64,
        target_modules: &[S],
    ) -> Result<Self, MethodError> {
        if !(0.0..1.0).contains(&lora_dropout) {
            return Err(MethodError::BadDropout(lora_dropout.to_string()));
        }
        Ok(Self {
            r: rank(r)?,
            lora_alpha: alpha(lora_alpha)?,
            lora_dropout: lora_dropout as f32,
            use_rslora: false,
            use_dora: false,
            target_modules: Targets::new(target_modules)?,
        })
    }

    /// Scales by `lora_alpha / sqrt(r)`.
    pub fn with_rslora(self, use_rslora: bool) -> Self {
        Self { use_rslora, ..self }
    }

    /// Trains lengths and directions apart.
    ///
    /// # Errors
    /// Together with dropout, which is not computed.
    pub fn with_dora(self, use_dora: bool) -> Result<Self, MethodError> {
        if use_dora && self.lora_dropout != 0.0 {
            return Err(MethodError::DoraDropout);
        }
        Ok(Self { use_dora, ..self })
    }

    pub(super) fn with_dropout_of(self, other: &Self) -> Self {
        let lora_dropout = other.lora_dropout;
        Self {
            lora_dropout,
            ..self
        }
    }

    /// Rank.
    pub fn r(&self) -> usize {
        self.r as usize
    }

    /// Numerator of the scale.
    pub fn lora_alpha(&self) -> u32 {
        self.lora_alpha
    }

    /// The share of inputs of A that a training step leaves out.
    pub fn lora_dropout(&self) -> f32 {
        self.lora_dropout
    }

    /// Whether the scale is rank-stabilised.
    pub fn use_rslora(&self) -> bool {
        self.use_rslora
    }

    /// Whether this is DoRA.
    pub fn use_dora(&self) -> bool {
        self.use_dora
    }

    /// The adapted projections.
    pub fn target_modules(&self) -> Targets {
        self.target_modules
    }

    /// The factor on the update.
    pub fn scale(&self) -> f32 {
        let r = self.r as f32;
        let divisor = if self.use_rslora { r.sqrt() } else { r };
        self.lora_alpha as f32 / divisor
    }
}

/// (IA)3 (Liu et al., 2022): one trained factor for each output of a projection or, for
/// `feedforward_modules`, for each input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ia3Config {
    target_modules: Targets,
    feedforward_modules: Targets,
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
        if !feedforward_modules.is_within(target_modules) {
            return Err(MethodError::FeedForward);
        }
        Ok(Self {
            target_modules,
            feedforward_modules,
        })
    }

    /// The adapted projections.
    pub fn target_modules(&self) -> Targets {
        self.target_modules
    }

    /// Those of which the input is scaled.
    pub fn feedforward_modules(&self) -> Targets {
        self.feedforward_modules
    }
}

/// BitFit (Ben Zaken et al., 2021): only the biases of projections are trained. A projection that
/// has none gets one of zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitFitConfig {
    target_modules: Targets,
}

impl BitFitConfig {
    /// Checks the projections.
    ///
    /// # Errors
    /// When a name is unknown or there is none.
    pub fn new<S: AsRef<str>>(target_modules: &[S]) -> Result<Self, MethodError> {
        let target_modules = Targets::new(target_modules)?;
        Ok(Self { target_modules })
    }

    /// The projections whose bias is trained.
    pub fn target_modules(&self) -> Targets {
        self.target_modules
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
            lora_alpha: alpha(lora_alpha)?,
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
    pub fn target_modules(&self) -> Targets {
        match self {
            Self::Lora(lora) => lora.target_modules,
            Self::Ia3(ia3) => ia3.target_modules,
            Self::BitFit(bitfit) => bitfit.target_modules,
            Self::PrivateLora(private) => private.target_modules,
            Self::Full => Targets::NONE,
        }
    }

    /// Whether a projection is adapted.
    pub fn adapts(&self, target: Target) -> bool {
        self.target_modules().contains(target)
    }

    /// The settings as bytes, one encoding for each: the method's number, the projections, then
    /// numbers in the order of the fields, little-endian.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let (number, targets) = (self.number(), self.target_modules());
        out.extend_from_slice(&[number, targets.bits()]);
        match self {
            Self::Lora(lora) => {
                out.extend_from_slice(&lora.r.to_le_bytes());
                out.extend_from_slice(&lora.lora_alpha.to_le_bytes());
                out.extend_from_slice(&lora.lora_dropout.to_le_bytes());
                out.extend_from_slice(&[u8::from(lora.use_rslora), u8::from(lora.use_dora)]);
            }
            Self::Ia3(ia3) => out.push(ia3.feedforward_modules.bits()),
            Self::PrivateLora(private) => {
                out.extend_from_slice(&private.r.to_le_bytes());
                out.extend_from_slice(&private.lora_alpha.to_le_bytes());
            }
            Self::BitFit(_) | Self::Full => {}
        }
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

fn rank(r: u64) -> Result<u32, MethodError> {
    bounded(r, 1024).ok_or(MethodError::BadRank(r))
}

fn alpha(lora_alpha: u64) -> Result<u32, MethodError> {
    bounded(lora_alpha, 65_536).ok_or(MethodError::BadAlpha(lora_alpha))
}

fn bounded(n: u64, max: u32) -> Option<u32> {
    let n = u32::try_from(n).ok();
    n.filter(|n| (1..=max).contains(n))
}
