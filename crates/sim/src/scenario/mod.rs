//! What happens in a simulation, as a file says it.
//!
//! ```toml
//! validators = 4
//! seed = 1
//! duration_ms = 20_000
//!
//! [links]
//! latency_ms = 20
//! jitter_ms = 10
//! lost_per_mille = 5
//!
//! [[liars]]
//! kind = "equivocator"
//! validators = [3]
//!
//! [[faults]]
//! what = "kill"
//! at_ms = 5_000
//! validators = [1]
//! ```
//!
//! A file can hold orders too, each with parties and liars of its own ([`OrderSettings`]); with
//! `engine = false` their blocks are made every second and no validator runs an engine.
//!
//! Validators are numbered from 0. What is impossible is refused with a sentence that says what is
//! wrong; what is possible and foolish (more liars than the protocol stands) is run and reported.

mod beside;
mod check;
mod draw;
mod draw_order;
mod draw_rounds;
mod draw_world;
mod orders;
mod rounds;

use std::time::Duration;

use assay_chain::Pace;
use serde::{Deserialize, Serialize};

pub use beside::BesideSettings;
pub use check::ScenarioError;
pub use orders::{MAX_ORDERS, OrderSettings, TermsSettings};
pub use rounds::RoundsSettings;

use crate::liars::validators::LiarKind;

/// Longest simulation, in virtual milliseconds.
pub const MAX_DURATION_MS: u64 = 4 * 3_600_000;
/// Most faults in one file.
pub const MAX_FAULTS: usize = 10_000;
/// Largest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// A simulation to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// How many validators the genesis names, 1 to 64.
    pub validators: usize,
    /// What everything left to chance follows from; below 2^63, as TOML has no larger numbers.
    #[serde(default)]
    pub seed: u64,
    /// Virtual milliseconds that it lasts.
    pub duration_ms: u64,
    /// Whether the validators run and make the blocks. Without them the blocks of orders are made once
    /// a second from whatever waits.
    #[serde(default = "yes")]
    pub engine: bool,
    /// Whether a client has a transaction waiting all the time.
    #[serde(default = "yes")]
    pub busy: bool,
    /// How messages travel at first.
    #[serde(default)]
    pub links: LinkSettings,
    /// When validators propose and lose patience; as shipped unless it is said.
    #[serde(default)]
    pub pace: PaceSettings,
    /// Who lies, and how.
    #[serde(default)]
    pub liars: Vec<Liars>,
    /// What goes wrong, and when.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Orders, each in a network of its own; with an engine at most one.
    #[serde(default)]
    pub orders: Vec<OrderSettings>,
}

fn yes() -> bool {
    true
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSettings {
    /// The middle of the time that a message takes, at most 10,000.
    pub latency_ms: u64,
    /// How far from that it may be, in both directions; at most the latency.
    #[serde(default)]
    pub jitter_ms: u64,
    /// Messages lost in a thousand, below 1,000.
    #[serde(default)]
    pub lost_per_mille: u32,
}

impl Default for LinkSettings {
    /// A continent: 20 ms, give or take 10.
    fn default() -> Self {
        Self {
            latency_ms: 20,
            jitter_ms: 10,
            lost_per_mille: 0,
        }
    }
}

/// When validators propose and lose patience; see [`assay_chain::Pace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaceSettings {
    /// Least time between two blocks, at most 10,000.
    pub min_interval_ms: u64,
    /// Time after which an empty block is proposed, 1 to 10,000.
    pub block_interval_ms: u64,
    /// Time granted to a leader beyond that, 1 to 10,000.
    pub leader_timeout_ms: u64,
}

impl Default for PaceSettings {
    fn default() -> Self {
        let Pace {
            min_interval,
            block_interval,
            leader_timeout,
        } = Pace::default();
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            min_interval_ms: ms(min_interval),
            block_interval_ms: ms(block_interval),
            leader_timeout_ms: ms(leader_timeout),
        }
    }
}

impl From<PaceSettings> for Pace {
    fn from(settings: PaceSettings) -> Self {
        Self {
            min_interval: Duration::from_millis(settings.min_interval_ms),
            block_interval: Duration::from_millis(settings.block_interval_ms),
            leader_timeout: Duration::from_millis(settings.leader_timeout_ms),
        }
    }
}

/// Validators that lie in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Liars {
    /// In which way.
    pub kind: LiarKind,
    /// Who.
    pub validators: Vec<usize>,
}

/// Something that goes wrong, or right again, at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Processes end without warning; what was not synced is forgotten.
    Kill {
        /// When.
        at_ms: u64,
        /// Whose.
        validators: Vec<usize>,
    },
    /// Killed validators start again from their disks.
    Restart {
        /// When.
        at_ms: u64,
        /// Which.
        validators: Vec<usize>,
    },
    /// The disks of validators fail in place of a sync, between the writes of one commit if it so
    /// happens; the validators stop, and start again a second later.
    PowerCut {
        /// From when on syncs are counted.
        at_ms: u64,
        /// Whose.
        validators: Vec<usize>,
        /// In place of which sync, from 1.
        sync: u64,
    },
    /// The network is cut into parts that do not reach each other. Who is named in none of them is
    /// in a part of its own with all others of whom this is so.
    Partition {
        /// When.
        at_ms: u64,
        /// The parts.
        parts: Vec<Vec<usize>>,
    },
    /// The cut ends.
    Heal {
        /// When.
        at_ms: u64,
    },
    /// Messages travel in another way from now on.
    Links {
        /// When.
        at_ms: u64,
        /// How.
        links: LinkSettings,
    },
    /// The validator whose turn it is to propose is killed, and with it others in the order in which
    /// they would have proposed next.
    KillLeader {
        /// When.
        at_ms: u64,
        /// How many others.
        others: usize,
    },
    /// Every second each validator is killed with a certain chance, and comes back later. Never are
    /// more down in this way than the protocol stands.
    Churn {
        /// From when.
        at_ms: u64,
        /// Until when.
        until_ms: u64,
        /// The chance, in a thousand.
        killed_per_mille: u32,
        /// How long each is away.
        away_ms: u64,
    },
}

impl Fault {
    /// When it happens or begins.
    pub fn at_ms(&self) -> u64 {
        match self {
            Self::Kill { at_ms, .. }
            | Self::Restart { at_ms, .. }
            | Self::PowerCut { at_ms, .. }
            | Self::Partition { at_ms, .. }
            | Self::Heal { at_ms }
            | Self::Links { at_ms, .. }
            | Self::KillLeader { at_ms, .. }
            | Self::Churn { at_ms, .. } => *at_ms,
        }
    }
}

impl Scenario {
    /// A quiet network: nobody lies and nothing fails.
    pub fn quiet(validators: usize, seed: u64, duration_ms: u64) -> Self {
        Self {
            validators,
            seed,
            duration_ms,
            engine: true,
            busy: true,
            links: LinkSettings::default(),
            pace: PaceSettings::default(),
            liars: Vec::new(),
            faults: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// Reads a scenario file and checks it.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        if text.len() > MAX_FILE_BYTES {
            return Err(ScenarioError::File(text.len()));
        }
        let scenario: Self = toml::from_str(text).map_err(ScenarioError::Toml)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// As a file that [`Self::parse`] reads.
    pub fn to_toml(&self) -> String {
        // Everything in it has a form in TOML: no maps with other keys, no missing values.
        toml::to_string(self).unwrap_or_default()
    }

    /// Dishonest validators that the protocol stands: f of n = 3f + 1.
    pub fn tolerated(&self) -> usize {
        self.validators.saturating_sub(1) / 3
    }

    /// Who lies, and how.
    pub(crate) fn lying(&self) -> Vec<(usize, LiarKind)> {
        let of = |liars: &Liars| {
            let kind = liars.kind;
            liars.validators.clone().into_iter().map(move |v| (v, kind))
        };
        let mut all: Vec<_> = self.liars.iter().flat_map(of).collect();
        all.sort_unstable();
        all
    }
}
