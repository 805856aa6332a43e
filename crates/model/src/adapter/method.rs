//! How a model is fine-tuned: which tensors are trained, and where they enter.
//!
//! Settings have the names that Hugging Face PEFT gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::names::Pattern;
use super::select::Selection;
use crate::error::MethodError;
use crate::target::{Target, Targets};

/// LoRA (Hu et al., 2021): `y = x W^T + s drop(x) A^T B^T`, with A and B trained.
///
/// `s` is `lora_alpha / r`, with `use_rslora` (Kalajdzievski, 2023) `lora_alpha / sqrt(r)`. With
/// `use_dora` (Liu et al., 2024) the rows of `W + s B A` are scaled to trained lengths.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraConfig {
    r: u32,
    lora_alpha: f32,
    lora_dropout: f32,
    use_rslora: bool,
    use_dora: bool,
    target_modules: Selection,
    /// Projections with a rank or scale of their own, in the order of the tensors.
    exceptions: Arc<[Exception]>,
}

/// A projection of one layer with a rank and scale of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exception {
    pub(super) layer: usize,
    pub(super) target: Target,
    pub(super) r: u32,
    pub(super) lora_alpha: f32,
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
            lora_alpha: alpha(lora_alpha as f64)?,
            lora_dropout: lora_dropout as f32,
            use_rslora: false,
            use_dora: false,
            target_modules: Targets::new(target_modules)?.into(),
            exceptions: Arc::default(),
        })
    }

    /// With a scale that need not be whole.
    ///
    /// # Errors
    /// [`MethodError::BadAlpha`].
    pub fn with_alpha(self, lora_alpha: f64) -> Result<Self, MethodError> {
        let lora_alpha = alpha(lora_alpha)?;
        Ok(Self { lora_alpha, ..self })
    }

    /// On other projections, which may differ from layer to layer.
    pub fn on(self, target_modules: Selection) -> Self {
        let exceptions = Arc::default();
        Self {
            target_modules,
            exceptions,
            ..self
        }
    }

    /// With ranks and scales of some projections by PEFT's `rank_pattern` and `alpha_pattern`, in a
    /// model of so many layers.
    ///
    /// # Errors
    /// When a key is no expression, two of them contradict each other, or a value is out of range.
    pub fn with_patterns(
        self,
        ranks: &BTreeMap<String, u64>,
        alphas: &BTreeMap<String, f64>,
        layers: usize,
    ) -> Result<Self, MethodError> {
        let ranks = Pattern::new("rank_pattern", ranks)?;
        let alphas = Pattern::new("alpha_pattern", alphas)?;
        let mut exceptions = Vec::new();
        for layer in 0..layers {
            for target in self.target_modules.at(layer).iter() {
                let path = target.path(layer);
                let r = ranks.of(&path)?.map(rank).transpose()?;
                let lora_alpha = alphas.of(&path)?.map(alpha).transpose()?;
                let exception = Exception {
                    layer,
                    target,
                    r: r.unwrap_or(self.r),
                    lora_alpha: lora_alpha.unwrap_or(self.lora_alpha),
                };
                if (exception.r, exception.lora_alpha) != (self.r, self.lora_alpha) {
                    exceptions.push(exception);
                }
            }
        }
        Ok(Self {
            exceptions: exceptions.into(),
            ..self
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

    /// The first of these keys of patterns that matches none of the adapted projections.
    ///
    /// # Errors
    /// When a key is no expression.
    pub fn unmatched<'a>(
        &self,
        keys: impl Iterator<Item = &'a String>,
        layers: usize,
    ) -> Result<Option<&'a String>, MethodError> {
        let paths = (0..layers).flat_map(|layer| {
            let targets = self.target_modules.at(layer);
            let paths: Vec<String> = targets.iter().map(|target| target.path(layer)).collect();
            paths
        });
        let paths: Vec<String> = paths.collect();
        for key in keys {
            let one = BTreeMap::from([(key.clone(), ())]);
            let pattern = Pattern::new("a pattern", &one)?;
            let mut found = false;
            for path in &paths {
                found |= pattern.of(path)?.is_some();
            }
            if !found {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Rank, of all projections but those with one of their own.
    pub fn r(&self) -> usize {
        self.r as usize
    }

    /// The rank of a projection.
    pub fn r_at(&self, layer: usize, target: Target) -> usize {
        self.at(layer, target).0 as usize
    }

    /// Numerator of the scale, of all projections but those with one of their own.
    pub fn lora_alpha(&self) -> f32 {
        self.lora_alpha
    }

    /// Rank and numerator of the scale of a projection.
    fn at(&self, layer: usize, target: Target) -> (u32, f32) {
        let own = (self.exceptions.iter()).find(|e| (e.layer, e.target) == (layer, target));
        own.map_or((self.r, self.lora_alpha), |e| (e.r, e.lora_alpha))
    }

    pub(super) fn exceptions(&self) -> &[Exception] {
        &self.exceptions
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
    pub fn target_modules(&self) -> &Selection {
        &self.target_modules
    }

    /// The factor on the update of a projection.
    pub fn scale_at(&self, layer: usize, target: Target) -> f32 {
        let (r, lora_alpha) = self.at(layer, target);
        let r = r as f32;
        let divisor = if self.use_rslora { r.sqrt() } else { r };
        lora_alpha / divisor
    }
}

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
            Self::Lora(lora) => {
                out.extend_from_slice(&lora.r.to_le_bytes());
                out.extend_from_slice(&alpha_bits(lora.lora_alpha).to_le_bytes());
                out.extend_from_slice(&lora.lora_dropout.to_le_bytes());
                out.extend_from_slice(&[u8::from(lora.use_rslora), u8::from(lora.use_dora)]);
                for own in lora.exceptions.iter() {
                    later.extend_from_slice(&(own.layer as u32).to_le_bytes());
                    later.push(own.target as u8);
                    later.extend_from_slice(&own.r.to_le_bytes());
                    later.extend_from_slice(&alpha_bits(own.lora_alpha).to_le_bytes());
                }
            }
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

/// A scale as four bytes: a whole number as itself, any other as its f32 bits, which are larger than
/// every whole number that is allowed.
fn alpha_bits(lora_alpha: f32) -> u32 {
    match lora_alpha.fract() == 0.0 {
        true => lora_alpha as u32,
        false => lora_alpha.to_bits(),
    }
}

fn rank(r: u64) -> Result<u32, MethodError> {
    bounded(r, 1024).ok_or(MethodError::BadRank(r))
}

fn whole_alpha(lora_alpha: u64) -> Result<u32, MethodError> {
    bounded(lora_alpha, 65_536).ok_or_else(|| MethodError::BadAlpha(lora_alpha.to_string()))
}

/// Whatever is allowed is a normal f32.
fn alpha(lora_alpha: f64) -> Result<f32, MethodError> {
    match (1e-30..=65_536.0).contains(&lora_alpha) {
        true => Ok(lora_alpha as f32),
        false => Err(MethodError::BadAlpha(lora_alpha.to_string())),
    }
}

fn bounded(n: u64, max: u32) -> Option<u32> {
    let n = u32::try_from(n).ok();
    n.filter(|n| (1..=max).contains(n))
}
