//! What trainers agree on before the first round.

use assay_aggregate::{Quantiser, Settings};
use assay_crypto::Digest;
use assay_estimator::Specification;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::error::SpecProblem;

/// The longest specification of rounds, in bytes.
pub const MAX_BYTES: usize = 8192;

/// The most rounds.
const MAX_ROUNDS: u64 = 1 << 20;

/// The most steps that a trainer takes in a round.
const MAX_LOCAL_STEPS: u64 = 1 << 16;

/// What is trained, and how a round goes. In a file:
///
/// ```toml
/// rounds = 20
/// local_steps = 10
/// server_rate = 1.0
/// quorum = 7
/// quantiser = { bits = 16, exponent = 14 }
///
/// [learning.model]
/// kind = "softmax"
/// features = 64
/// classes = 10
/// [learning.training]
/// batch_size = 32
/// learning_rate = 0.05
/// ```
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundSpec {
    /// The model, and how a trainer takes a step.
    pub learning: Specification,
    /// Rounds in all.
    pub rounds: u64,
    /// Steps that each trainer takes in a round, `H`.
    pub local_steps: u64,
    /// What the merged update is multiplied by before the model moves by it.
    #[serde(default = "one")]
    pub server_rate: f32,
    /// The fewest updates that a round merges; with fewer the model stays as it is.
    pub quorum: u32,
    /// What integers of updates stand for.
    pub quantiser: Quantiser,
    /// How updates are sent.
    #[serde(default)]
    pub encoding: Encoding,
    /// How one update is made of many.
    #[serde(default)]
    pub aggregation: Settings,
    /// What an update weighs in a mean.
    #[serde(default)]
    pub weights: Weights,
    /// What becomes of updates of an earlier round's model.
    #[serde(default)]
    pub age: Age,
}

/// How an update is sent.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Encoding {
    /// Every coordinate.
    #[default]
    Dense,
    /// The largest coordinates, so many of a thousand; the others wait for a later round (Stich, Cordonnier
    /// and Jaggi, "Sparsified SGD with memory", 2018, algorithm 1).
    Largest {
        /// From 1 to 1,000; at least one coordinate is sent.
        per_thousand: u16,
    },
    /// The sign of every coordinate, all of one magnitude, and what that misses waits for a later round
    /// (Karimireddy et al., "Error feedback fixes SignSGD", 2019, algorithm 1).
    Signs,
}

/// What an update weighs where the rule is a mean. Other rules count every update once.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// All alike.
    #[default]
    Equal,
    /// As many as the trainer has rows.
    Rows,
}

/// What becomes of updates that were made on an earlier round's model: one that is `n` rounds old counts
/// with `decay^n`. Only updates that are sent whole may be late: others follow from those before them.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Age {
    /// The most rounds; older ones are left out. 0: only updates of the present model count.
    pub most: u32,
    /// What is left of an update after a round, in 1,048,576ths.
    pub decay: u32,
}

fn one() -> f32 {
    1.0
}

impl RoundSpec {
    /// The canonical bytes, in borsh.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing finite numbers into memory does not fail.
        borsh::to_vec(self).unwrap_or_default()
    }

    /// Reads [`RoundSpec::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are too many or no specification, or it makes no sense.
    pub fn from_bytes(bytes: &[u8]) -> Result<RoundSpec, SpecProblem> {
        if bytes.len() > MAX_BYTES {
            return Err(SpecProblem::Bytes(format!(
                "there are {}, and at most {MAX_BYTES} are read",
                bytes.len()
            )));
        }
        let read = RoundSpec::try_from_slice(bytes);
        let spec = read.map_err(|error| SpecProblem::Bytes(error.to_string()))?;
        spec.check()?;
        Ok(spec)
    }

    /// The digest of the canonical bytes.
    pub fn digest(&self) -> Digest {
        Digest::of("assay/rounds/specification/v1", &[&self.to_bytes()])
    }

    /// Checks every number.
    ///
    /// # Errors
    /// Names what is wrong and what is possible.
    pub fn check(&self) -> Result<(), SpecProblem> {
        self.learning.check()?;
        // A quantiser read from bytes or a file was checked by nobody yet.
        Quantiser::new(self.quantiser.bits(), self.quantiser.exponent())?;
        let size = |name, found: u64, least, most| {
            let fits = (least..=most).contains(&found);
            fits.then_some(()).ok_or(SpecProblem::Size {
                name,
                found,
                least,
                most,
            })
        };
        size("rounds", self.rounds, 1, MAX_ROUNDS)?;
        size("local_steps", self.local_steps, 1, MAX_LOCAL_STEPS)?;
        let updates = assay_aggregate::MAX_UPDATES as u64;
        size("quorum", self.quorum.into(), 1, updates)?;
        size("age.most", self.age.most.into(), 0, 64)?;
        size("age.decay", self.age.decay.into(), 0, 1 << 20)?;
        if let Encoding::Largest { per_thousand } = self.encoding {
            size("encoding.per_thousand", per_thousand.into(), 1, 1000)?;
        }
        if !(self.server_rate > 0.0 && self.server_rate <= 1e3) {
            return Err(SpecProblem::ServerRate(self.server_rate));
        }
        if self.age.most > 0 {
            if self.encoding != Encoding::Dense {
                return Err(SpecProblem::Late);
            }
            if self.age.factor(self.age.most.into()).is_none() {
                return Err(SpecProblem::Decay {
                    most: self.age.most,
                });
            }
        }
        // Liars may be a share: one update more may be one liar more.
        (self.quorum as usize..=assay_aggregate::MAX_UPDATES)
            .try_for_each(|updates| self.aggregation.check(updates))?;
        Ok(())
    }
}
