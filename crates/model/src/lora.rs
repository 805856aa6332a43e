//! Which matrices are adapted, and how (Hu et al., "LoRA", 2021).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::config::ModelConfig;
use crate::error::LoraError;

/// A projection of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Queries.
    QProj,
    /// Keys.
    KProj,
    /// Values.
    VProj,
    /// Attention output.
    OProj,
    /// The gate of the feed-forward block.
    GateProj,
    /// The other half of the gated product.
    UpProj,
    /// Back to the residual stream.
    DownProj,
}

impl Target {
    /// Every projection, in the order a layer computes them.
    pub const ALL: [Self; 7] = [
        Self::QProj,
        Self::KProj,
        Self::VProj,
        Self::OProj,
        Self::GateProj,
        Self::UpProj,
        Self::DownProj,
    ];

    /// Its name in PEFT's `target_modules`.
    pub fn name(self) -> &'static str {
        match self {
            Self::QProj => "q_proj",
            Self::KProj => "k_proj",
            Self::VProj => "v_proj",
            Self::OProj => "o_proj",
            Self::GateProj => "gate_proj",
            Self::UpProj => "up_proj",
            Self::DownProj => "down_proj",
        }
    }

    /// Its place inside a layer.
    pub fn module(self) -> &'static str {
        match self {
            Self::QProj => "self_attn.q_proj",
            Self::KProj => "self_attn.k_proj",
            Self::VProj => "self_attn.v_proj",
            Self::OProj => "self_attn.o_proj",
            Self::GateProj => "mlp.gate_proj",
            Self::UpProj => "mlp.up_proj",
            Self::DownProj => "mlp.down_proj",
        }
    }

    /// `(out, in)` of its weight.
    pub fn shape(self, config: &ModelConfig) -> (usize, usize) {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        match self {
            Self::QProj => (config.query_width(), hidden),
            Self::KProj | Self::VProj => (config.key_width(), hidden),
            Self::OProj => (hidden, config.query_width()),
            Self::GateProj | Self::UpProj => (inner, hidden),
            Self::DownProj => (hidden, inner),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = LoraError;

    fn from_str(name: &str) -> Result<Self, LoraError> {
        let found = Self::ALL.into_iter().find(|target| target.name() == name);
        found.ok_or_else(|| LoraError::UnknownTarget(name.chars().take(80).collect()))
    }
}

/// The settings of an adapter, named as PEFT names them: `y = x W^T + (lora_alpha / r) x A^T B^T`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoraConfig {
    r: u32,
    lora_alpha: u32,
    target_modules: BTreeSet<Target>,
}

impl LoraConfig {
    /// Checks settings as a job or an `adapter_config.json` gives them.
    ///
    /// # Errors
    /// [`LoraError`] names the setting and its valid values.
    pub fn new<S: AsRef<str>>(
        r: u64,
        lora_alpha: u64,
        lora_dropout: f64,
        target_modules: &[S],
    ) -> Result<Self, LoraError> {
        let bounded = |n: u64, max: u32| {
            let n = u32::try_from(n).ok();
            n.filter(|n| (1..=max).contains(n))
        };
        if lora_dropout != 0.0 {
            return Err(LoraError::Dropout(lora_dropout.to_string()));
        }
        let targets: BTreeSet<Target> = target_modules
            .iter()
            .map(|name| name.as_ref().parse())
            .collect::<Result<_, _>>()?;
        if targets.is_empty() {
            return Err(LoraError::NoTargets);
        }
        Ok(Self {
            r: bounded(r, 1024).ok_or(LoraError::BadRank(r))?,
            lora_alpha: bounded(lora_alpha, 65_536).ok_or(LoraError::BadAlpha(lora_alpha))?,
            target_modules: targets,
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

    /// The adapted projections, in layer order.
    pub fn target_modules(&self) -> impl Iterator<Item = Target> + '_ {
        self.target_modules.iter().copied()
    }

    /// Whether a projection is adapted.
    pub fn adapts(&self, target: Target) -> bool {
        self.target_modules.contains(&target)
    }

    /// `lora_alpha / r`.
    pub fn scale(&self) -> f32 {
        self.lora_alpha as f32 / self.r as f32
    }

    /// One bit per adapted projection, in the order of [`Target::ALL`].
    pub(crate) fn target_bits(&self) -> u8 {
        let bit = |t: Target| 1 << (t as u8);
        self.target_modules().map(bit).fold(0, |all, bit| all | bit)
    }

    /// The settings [`LoraConfig::target_bits`] and the numbers stand for.
    pub(crate) fn from_bits(r: u32, lora_alpha: u32, bits: u8) -> Result<Self, LoraError> {
        let names: Vec<&str> = Target::ALL
            .into_iter()
            .filter(|t| bits & 1 << (*t as u8) != 0)
            .map(Target::name)
            .collect();
        Self::new(r.into(), lora_alpha.into(), 0.0, &names)
    }

    /// The adapter's matrices on a model: layers ascending, projections in layer order, A before
    /// B. A is `[r, in]`, B `[out, r]`.
    pub fn params(&self, config: &ModelConfig) -> Vec<ParamInfo> {
        let mut params = Vec::new();
        for layer in 0..config.num_hidden_layers {
            for target in self.target_modules() {
                let (rows, cols) = target.shape(config);
                let name = |factor| ParamInfo::name_of(layer, target, factor);
                params.push(ParamInfo {
                    name: name(Factor::A),
                    rows: self.r(),
                    cols,
                    factor: Factor::A,
                });
                params.push(ParamInfo {
                    name: name(Factor::B),
                    rows,
                    cols: self.r(),
                    factor: Factor::B,
                });
            }
        }
        params
    }
}

/// The two matrices of an adapted projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// Down to the rank.
    A,
    /// Up from the rank.
    B,
}

/// A trainable matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamInfo {
    /// Its key in PEFT's `adapter_model.safetensors`.
    pub name: String,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// Which of the two it is.
    pub factor: Factor,
}

impl ParamInfo {
    /// Values in it.
    pub fn values(&self) -> usize {
        self.rows * self.cols
    }

    pub(crate) fn name_of(layer: usize, target: Target, factor: Factor) -> String {
        let factor = match factor {
            Factor::A => "lora_A",
            Factor::B => "lora_B",
        };
        format!(
            "base_model.model.model.layers.{layer}.{}.{factor}.weight",
            target.module()
        )
    }
}
