//! What requester and provider must agree on before the first message.
//!
//! ```text
//! 0    1  version of the terms, 1
//! 1    1  version of the messages, 1
//! 2    4  version of the kernel specification
//! 6    32 digest of the base model
//! 38   1  how its projections are held: 0 float32, 1 bfloat16, 2 int8, 3 nf4
//! 39   4  rows of a micro-batch
//! 43   4  tokens a row
//! 47   4  micro-batches a step
//! 51   1  1 with gradient checkpointing, else 0
//! 52   1  1 when what the backward pass reads is rounded to bfloat16, else 0
//! 53   8  steps, at most
//! 61   8  longest message in bytes
//! 69   1  mode: 0 plain, 1 masked
//! plain:
//! 70   4  rank
//! 74   4  lora_alpha
//! 78   1  adapted projections, a bit each
//! 79   32 seed of A and B
//! 111  32 digest of the provider's part of the step
//! masked:
//! 70   1  provider, 0 or 1
//! ```
//!
//! Integers are little-endian (borsh). The terms say nothing of tokens, labels, M or the optimiser.

use std::fmt;

use assay_crypto::Digest;
use assay_kernel::SPEC_VERSION;
use assay_model::{
    ActivationStorage, AdamWConfig, BatchShape, ModelConfig, Precision, PrivateLoraConfig, Purpose,
    Target, TrainSettings,
};
use assay_split::{SetupError, Split, masked, wire};
use borsh::{BorshDeserialize, BorshSerialize};

use super::error::TermsError;

/// The version of the terms.
pub const TERMS_VERSION: u8 = 1;

/// What a session is about.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Terms {
    /// [`TERMS_VERSION`].
    pub version: u8,
    /// Version of the split protocol's messages.
    pub messages: u8,
    /// Version of the kernel specification.
    pub kernel_spec: u32,
    /// Digest of the base model ([`assay_model::Base::digest`]).
    pub base: Digest,
    /// How its projections are held.
    pub held: Held,
    /// Rows of a micro-batch.
    pub batch: u32,
    /// Tokens a row.
    pub seq: u32,
    /// Micro-batches of a step.
    pub micro_batches: u32,
    /// Whether layers are computed again in the backward pass.
    pub checkpointing: bool,
    /// Whether what the backward pass reads is rounded to bfloat16.
    pub rounded: bool,
    /// Steps, at most.
    pub steps: u64,
    /// Longest message, in bytes.
    pub longest_message: u64,
    /// Plain or masked.
    pub mode: Mode,
}

/// The two ways to split.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Mode {
    /// One provider runs the frozen decoder.
    Plain {
        /// Rank.
        r: u32,
        /// Numerator of the scale.
        lora_alpha: u32,
        /// Adapted projections: [`assay_model::Targets::bits`].
        targets: u8,
        /// What A and B are drawn from.
        seed: [u8; 32],
        /// [`Split::digest`].
        plan: Digest,
    },
    /// Two providers multiply shares.
    Masked {
        /// Which of them, 0 or 1.
        provider: u8,
    },
}

/// How a base's projections are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Held {
    /// 4 bytes a value.
    Float32,
    /// 2 bytes.
    BFloat16,
    /// 1 byte.
    Int8,
    /// Half a byte.
    Nf4,
}

impl TryFrom<Precision> for Held {
    type Error = SetupError;

    /// # Errors
    /// For a base that computes in integers, which has no split form.
    fn try_from(precision: Precision) -> Result<Self, SetupError> {
        match precision {
            Precision::Float32 => Ok(Self::Float32),
            Precision::BFloat16 => Ok(Self::BFloat16),
            Precision::Int8 => Ok(Self::Int8),
            Precision::Nf4 => Ok(Self::Nf4),
            Precision::W8A8 => Err(SetupError::Precision),
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float32 => "float32",
            Self::BFloat16 => "bfloat16",
            Self::Int8 => "int8",
            Self::Nf4 => "nf4",
        })
    }
}

impl Terms {
    /// Terms in which nothing is wrong by itself.
    pub(super) fn new(
        base: Digest,
        held: Held,
        shape: BatchShape,
        settings: &TrainSettings,
        steps: u64,
        longest_message: usize,
        mode: Mode,
    ) -> Self {
        Self {
            version: TERMS_VERSION,
            messages: wire::VERSION,
            kernel_spec: SPEC_VERSION,
            base,
            held,
            batch: shape.batch as u32,
            seq: shape.seq as u32,
            micro_batches: settings.gradient_accumulation_steps.max(1),
            checkpointing: settings.gradient_checkpointing,
            rounded: settings.activation_storage == ActivationStorage::BFloat16,
            steps,
            longest_message: longest_message as u64,
            mode,
        }
    }

    /// A digest of them all, with which a provider says what it agreed to.
    pub fn digest(&self) -> Digest {
        // Writing to memory does not fail.
        let bytes = borsh::to_vec(self).unwrap_or_default();
        Digest::of("assay/split-terms/v1", &[&bytes])
    }

    /// Shape of a micro-batch.
    pub fn shape(&self) -> BatchShape {
        BatchShape {
            batch: self.batch as usize,
            seq: self.seq as usize,
        }
    }

    /// Checks everything that does not need the step: versions, model, ranges.
    pub(super) fn check(&self, base: Digest, held: Held) -> Result<(), TermsError> {
        let versions = [
            ("the terms", self.version, TERMS_VERSION),
            ("messages", self.messages, wire::VERSION),
        ];
        for (what, found, known) in versions {
            if found != known {
                return Err(TermsError::Version { what, found, known });
            }
        }
        if self.kernel_spec != SPEC_VERSION {
            return Err(TermsError::KernelSpec {
                found: self.kernel_spec,
                known: SPEC_VERSION,
            });
        }
        if self.held != held {
            let found = self.held;
            return Err(TermsError::Precision { found, held });
        }
        if self.base != base {
            return Err(TermsError::Base {
                found: self.base,
                served: base,
            });
        }
        let ranges = [
            ("the number of rows", u64::from(self.batch), 4_096),
            ("the sequence length", u64::from(self.seq), 8_192),
            (
                "the number of micro-batches",
                u64::from(self.micro_batches),
                256,
            ),
            ("the number of steps", self.steps, 10_000_000),
        ];
        for (what, found, high) in ranges {
            if !(1..=high).contains(&found) {
                let low = 1;
                return Err(TermsError::Range {
                    what,
                    found,
                    low,
                    high,
                });
            }
        }
        Ok(())
    }

    /// The step as a provider makes it. It needs to know of the optimiser only that there is one.
    pub(super) fn split(&self, config: &ModelConfig) -> Result<Option<Split>, TermsError> {
        let Mode::Plain {
            r,
            lora_alpha,
            targets,
            plan,
            ..
        } = &self.mode
        else {
            return Ok(None);
        };
        let names: Vec<&str> = (Target::ALL.iter().enumerate())
            .filter(|(i, _)| targets >> i & 1 == 1)
            .map(|(_, target)| target.name())
            .collect();
        let settings = PrivateLoraConfig::new((*r).into(), (*lora_alpha).into(), &names)?;
        let purpose = Purpose::Train(TrainSettings {
            gradient_accumulation_steps: self.micro_batches,
            gradient_checkpointing: self.checkpointing,
            activation_storage: match self.rounded {
                true => ActivationStorage::BFloat16,
                false => ActivationStorage::Float32,
            },
            ..AdamWConfig::default().into()
        });
        let split = Split::new(config, &settings, self.shape(), purpose)?;
        if split.digest() != *plan || settings.target_modules().bits() != *targets {
            return Err(TermsError::Plan);
        }
        Ok(Some(split))
    }
}

/// The longest message of a masked step, in bytes: a share or a product of the widest projection.
pub(super) fn longest_masked(config: &ModelConfig, shape: BatchShape) -> usize {
    let widest = Target::ALL.iter().map(|target| {
        let (out, input) = target.shape(config);
        out.max(input)
    });
    wire::HEADER + 8 * shape.positions() * widest.max().unwrap_or(0)
}

/// The most messages that a masked step sends to a provider.
pub(super) fn most_masked(config: &ModelConfig, micro_batches: u32) -> u64 {
    3 * u64::from(micro_batches) * masked::frozen_matrices(config).len() as u64
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
