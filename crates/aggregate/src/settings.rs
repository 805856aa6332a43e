//! Which rule, with which numbers.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most steps of a rule that repeats one.
pub const MAX_ITERATIONS: u32 = 64;

/// How many of the updates may lie.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Liars {
    /// So many.
    Count(u32),
    /// So many of a thousand, rounded down: `f = floor(n share / 1000)`.
    PerThousand(u16),
}

impl Liars {
    /// How many of `updates`, `f`.
    pub fn of(self, updates: usize) -> usize {
        match self {
            Liars::Count(count) => count as usize,
            Liars::PerThousand(share) => updates * usize::from(share) / 1000,
        }
    }
}

/// Where centred clipping starts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Start {
    /// At zero: the model as it is.
    Zero,
    /// At the coordinate-wise median.
    Median,
    /// At the trimmed mean.
    TrimmedMean(Liars),
}

/// How far from the centre an update counts in full.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Radius {
    /// So many steps of the quantiser.
    Steps(u64),
    /// As far as the lower median of all.
    Median,
}

/// How one update is made of many.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// The mean, weighted by samples (McMahan et al., "Communication-efficient learning of deep networks
    /// from decentralized data", 2017, algorithm 1): `sum w x / sum w`, rounded to the nearest, ties to
    /// even. One liar decides it.
    Mean,
    /// The coordinate-wise median (Yin et al., "Byzantine-robust distributed learning: towards optimal
    /// statistical rates", 2018, definition 1).
    Median,
    /// The coordinate-wise mean without the `f` smallest and the `f` largest (the same, definition 2).
    TrimmedMean {
        /// `f`; `n >= 2 f + 1`.
        liars: Liars,
    },
    /// The update with the smallest sum of squared distances to the `n - f - 2` nearest others (Blanchard
    /// et al., 2017, section 4).
    Krum {
        /// `f`; `n >= 2 f + 3`.
        liars: Liars,
    },
    /// The mean of the `keep` updates with the smallest scores (the same, section 5).
    MultiKrum {
        /// `f`; `n >= 2 f + 3`.
        liars: Liars,
        /// How many; at most `n - f - 2`.
        keep: u32,
    },
    /// Coordinate-wise, the mean of the `n - 4 f` values nearest to the median of `n - 2 f` updates that
    /// Krum chooses one by one (El Mhamdi et al., 2018, section 4).
    Bulyan {
        /// `f`; `n >= 4 f + 3`.
        liars: Liars,
    },
    /// The smoothed geometric median (Pillutla et al., 2022, algorithm 2).
    GeometricMedian {
        /// Steps of Weiszfeld; 1 to 64.
        iterations: u32,
    },
    /// Centred clipping (Karimireddy et al., 2021, equation 6).
    CentredClipping {
        /// Where the centre starts.
        start: Start,
        /// How far an update counts in full.
        radius: Radius,
        /// Steps; 1 to 64.
        iterations: u32,
    },
}

/// How distances between updates are found.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct DistanceSettings {
    /// They are exact while `n n d` is at most this, and from sketches beyond.
    pub exact_up_to: u64,
    /// Buckets of a sketch: a power of two, 64 to 65,536.
    pub buckets: u32,
}

impl Default for DistanceSettings {
    /// Exact up to 256 updates of a million coordinates; sketches of 4,096 buckets.
    fn default() -> DistanceSettings {
        DistanceSettings {
            exact_up_to: 1 << 36,
            buckets: 4096,
        }
    }
}

/// A rule and what is done before it: first the norm bound, then mixing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Scales every update down to this length, in steps of the quantiser.
    #[serde(default)]
    pub norm_bound: Option<u64>,
    /// Mixes every update with all but the `f` farthest; `n >= 2 f + 1`.
    #[serde(default)]
    pub nearest_neighbours: Option<Liars>,
    /// The rule.
    pub rule: Rule,
    /// How distances are found.
    #[serde(default)]
    pub distances: DistanceSettings,
}

impl Settings {
    /// A rule with nothing before it.
    pub fn rule(rule: Rule) -> Settings {
        Settings {
            norm_bound: None,
            nearest_neighbours: None,
            rule,
            distances: DistanceSettings::default(),
        }
    }
}

impl Default for Settings {
    /// For up to three liars of ten: mixing, and one step of centred clipping from the trimmed mean.
    fn default() -> Settings {
        let liars = Liars::PerThousand(300);
        Settings {
            nearest_neighbours: Some(liars),
            ..Settings::rule(Rule::CentredClipping {
                start: Start::TrimmedMean(liars),
                radius: Radius::Median,
                iterations: 1,
            })
        }
    }
}

/// Settings that do not fit the number of updates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// Too many liars for so few updates.
    #[error(
        "{rule} with f = {liars} needs n >= {times} f + {more} = {needed} updates, there are {updates}; \
         wait for more trainers, or expect fewer liars"
    )]
    TooFew {
        /// The rule.
        rule: &'static str,
        /// `f`.
        liars: usize,
        /// The factor of `f`.
        times: usize,
        /// What is added.
        more: usize,
        /// What they make.
        needed: usize,
        /// `n`.
        updates: usize,
    },
    /// More updates kept than can be.
    #[error("multi_krum keeps {keep} updates; 1 <= keep <= n - f - 2 = {most} here")]
    Keep {
        /// As set.
        keep: u32,
        /// The most.
        most: usize,
    },
    /// Too many steps, or none.
    #[error("{0} iterations; 1 <= iterations <= {MAX_ITERATIONS}")]
    Iterations(u32),
    /// A length of zero.
    #[error("a {0} of zero steps leaves nothing of any update; it is the value times 2^exponent")]
    Length(&'static str),
    /// No such sketch.
    #[error("sketches of {0} buckets; choose a power of two from 64 to 65,536")]
    Buckets(u32),
}

impl Settings {
    /// Checks that the rule stands with so many updates.
    ///
    /// # Errors
    /// When it does not; the error has the formula and what to do.
    pub fn check(&self, updates: usize) -> Result<(), BadSettings> {
        let enough = |rule, liars: Liars, times, more| {
            let liars = liars.of(updates);
            let needed = times * liars + more;
            (updates >= needed)
                .then_some(())
                .ok_or(BadSettings::TooFew {
                    rule,
                    liars,
                    times,
                    more,
                    needed,
                    updates,
                })
        };
        let steps = |iterations: u32| {
            let fits = (1..=MAX_ITERATIONS).contains(&iterations);
            fits.then_some(())
                .ok_or(BadSettings::Iterations(iterations))
        };
        if self.norm_bound == Some(0) {
            return Err(BadSettings::Length("norm_bound"));
        }
        if let Some(liars) = self.nearest_neighbours {
            enough("nearest_neighbours", liars, 2, 1)?;
        }
        let buckets = self.distances.buckets;
        if !buckets.is_power_of_two() || !(64..=1 << 16).contains(&buckets) {
            return Err(BadSettings::Buckets(buckets));
        }
        match self.rule {
            Rule::Mean | Rule::Median => Ok(()),
            Rule::TrimmedMean { liars } => enough("trimmed_mean", liars, 2, 1),
            Rule::Krum { liars } => enough("krum", liars, 2, 3),
            Rule::MultiKrum { liars, keep } => {
                enough("multi_krum", liars, 2, 3)?;
                let most = updates - liars.of(updates) - 2;
                let fits = (1..=most).contains(&(keep as usize));
                fits.then_some(()).ok_or(BadSettings::Keep { keep, most })
            }
            Rule::Bulyan { liars } => enough("bulyan", liars, 4, 3),
            Rule::GeometricMedian { iterations } => steps(iterations),
            Rule::CentredClipping {
                start,
                radius,
                iterations,
            } => {
                if let Start::TrimmedMean(liars) = start {
                    enough("trimmed_mean", liars, 2, 1)?;
                }
                if radius == Radius::Steps(0) {
                    return Err(BadSettings::Length("radius"));
                }
                steps(iterations)
            }
        }
    }
}
