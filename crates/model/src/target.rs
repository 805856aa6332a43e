//! The projections of a layer, which is what adapters are put on.

use std::fmt;
use std::str::FromStr;

use crate::config::ModelConfig;
use crate::error::MethodError;

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

    /// The full name of its module in a layer.
    pub(crate) fn path(self, layer: usize) -> String {
        format!("model.layers.{layer}.{}", self.module())
    }

    /// The layer and the projection that a tensor's or module's full name speaks of, with or without
    /// the prefix that PEFT puts before it.
    pub(crate) fn site_of(name: &str) -> Option<(usize, Self)> {
        let own = name.strip_prefix("base_model.model.").unwrap_or(name);
        let rest = own.strip_prefix("model.layers.")?;
        let (layer, rest) = rest.split_once('.')?;
        let is_named = |target: &Self| {
            let after = rest.strip_prefix(target.module());
            after.is_some_and(|after| after.is_empty() || after.starts_with('.'))
        };
        let target = Self::ALL.into_iter().find(is_named)?;
        Some((layer.parse().ok()?, target))
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

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = MethodError;

    fn from_str(name: &str) -> Result<Self, MethodError> {
        let found = Self::ALL.into_iter().find(|target| target.name() == name);
        found.ok_or_else(|| MethodError::UnknownTarget(name.chars().take(80).collect()))
    }
}

/// A set of projections, always walked in the order a layer computes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Targets(u8);

impl Targets {
    /// No projection.
    pub const NONE: Self = Self(0);

    /// Reads PEFT's `target_modules`.
    ///
    /// # Errors
    /// When a name is unknown or there is none.
    pub fn new<S: AsRef<str>>(names: &[S]) -> Result<Self, MethodError> {
        match Self::or_none(names)? {
            Self::NONE => Err(MethodError::NoTargets),
            targets => Ok(targets),
        }
    }

    /// As [`Targets::new`], but there may be none.
    ///
    /// # Errors
    /// When a name is unknown.
    pub fn or_none<S: AsRef<str>>(names: &[S]) -> Result<Self, MethodError> {
        names.iter().try_fold(Self::NONE, |all, name| {
            Ok(Self(all.0 | name.as_ref().parse::<Target>()?.bit()))
        })
    }

    /// The projections, in layer order.
    pub fn iter(self) -> impl Iterator<Item = Target> {
        let all = Target::ALL.into_iter();
        all.filter(move |target| self.contains(*target))
    }

    /// Their names.
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Target::name).collect()
    }

    /// Whether a projection is among them.
    pub fn contains(self, target: Target) -> bool {
        self.0 & target.bit() != 0
    }

    /// Whether all of them are in `other`.
    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Those that are in both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// With one more.
    pub(crate) fn with(self, target: Target) -> Self {
        Self(self.0 | target.bit())
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// One bit each, in the order of [`Target::ALL`].
    pub fn bits(self) -> u8 {
        self.0
    }
}
