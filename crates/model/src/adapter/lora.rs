//! LoRA and DoRA with their settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::method::rank;
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
    pub(super) r: u32,
    pub(super) lora_alpha: f32,
    lora_dropout: f32,
    use_rslora: bool,
    use_dora: bool,
    pub(super) target_modules: Selection,
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

    /// What [`Method::encode`](super::Method::encode) writes for it behind the projections.
    pub(super) fn encode(&self, out: &mut Vec<u8>, later: &mut Vec<u8>) {
        out.extend_from_slice(&self.r.to_le_bytes());
        out.extend_from_slice(&alpha_bits(self.lora_alpha).to_le_bytes());
        out.extend_from_slice(&self.lora_dropout.to_le_bytes());
        out.extend_from_slice(&[u8::from(self.use_rslora), u8::from(self.use_dora)]);
        for own in self.exceptions.iter() {
            later.extend_from_slice(&(own.layer as u32).to_le_bytes());
            later.push(own.target as u8);
            later.extend_from_slice(&own.r.to_le_bytes());
            later.extend_from_slice(&alpha_bits(own.lora_alpha).to_le_bytes());
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

/// Whatever is allowed is a normal f32.
fn alpha(lora_alpha: f64) -> Result<f32, MethodError> {
    match (1e-30..=65_536.0).contains(&lora_alpha) {
        true => Ok(lora_alpha as f32),
        false => Err(MethodError::BadAlpha(lora_alpha.to_string())),
    }
}
