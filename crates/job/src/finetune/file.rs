//! The job file of a fine-tuning, and the specification it becomes.

use std::path::{Path, PathBuf};

use assay_model::{Decay, LoraConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HELDOUT, TRAIN};
use crate::error::{BuildError, JobError};
use crate::kind::Job;
use crate::language::{MODEL, Reading};
use crate::sections::{Audit, Deadlines, Market, within};
use crate::source::InputSource;

/// A fine-tuning job file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FinetuneFile {
    /// Always `finetune`.
    #[schemars(extend("const" = "finetune"))]
    #[expect(dead_code, reason = "read before the kind is known")]
    kind: String,
    /// Your name for the job.
    name: String,
    model: Model,
    data: Data,
    #[serde(default)]
    adapter: Adapter,
    training: Training,
    #[serde(default)]
    audit: Audit,
    #[serde(default)]
    market: Market,
    #[serde(default)]
    deadlines: Deadlines,
}

/// The base model.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Model {
    /// A Hugging Face model folder or a .gguf file, relative to this file.
    path: PathBuf,
}

/// The records to learn from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Data {
    /// Training records: JSONL, JSON or plain text.
    train: PathBuf,
    /// Held-out records of the same form; nobody but you can read them.
    heldout: Option<PathBuf>,
    /// Learn only from completions, not from prompts.
    #[serde(default = "yes")]
    completion_only: bool,
    /// Tokens per sequence.
    sequence_length: u32,
    /// Let records follow one another in a sequence; otherwise each has one to itself.
    #[serde(default)]
    packing: bool,
    /// Cut records that are longer than a sequence; otherwise they are an error.
    #[serde(default)]
    truncation: bool,
}

/// The LoRA adapter, in PEFT's words.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Adapter {
    /// Rank.
    pub(super) r: u32,
    /// Scale numerator: the update is multiplied by `lora_alpha / r`.
    pub(super) lora_alpha: u32,
    /// Which projections to adapt.
    pub(super) target_modules: Vec<String>,
}

impl Default for Adapter {
    fn default() -> Self {
        Self {
            r: 8,
            lora_alpha: 16,
            target_modules: vec!["q_proj".into(), "v_proj".into()],
        }
    }
}

/// The optimiser and how long it runs.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Training {
    /// Optimiser steps.
    pub(super) steps: u64,
    /// Sequences per step.
    pub(super) batch_size: u32,
    /// Peak learning rate.
    pub(super) learning_rate: f32,
    /// Decoupled weight decay.
    #[serde(default)]
    pub(super) weight_decay: f32,
    /// Steps over which the learning rate rises from zero.
    #[serde(default)]
    pub(super) warmup_steps: u64,
    /// What the learning rate does after the warm-up.
    #[serde(default)]
    pub(super) schedule: Schedule,
}

/// Learning-rate schedule after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Schedule {
    /// Stays at the peak.
    #[default]
    Constant,
    /// Falls in a straight line to zero at the last step.
    Linear,
}

fn yes() -> bool {
    true
}

/// What the ledger holds of a fine-tuning: JSON in this field order, without spaces.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Specification {
    pub(super) version: u32,
    pub(super) data: Reading,
    pub(super) adapter: Adapter,
    pub(super) training: Training,
}

impl Specification {
    /// Reads the canonical bytes; any other encoding of the same values is refused.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BuildError> {
        let wrong = |e: &dyn std::fmt::Display| BuildError::Specification(e.to_string());
        let specification: Self = serde_json::from_slice(bytes).map_err(|e| wrong(&e))?;
        if specification.encode() != bytes {
            return Err(wrong(
                &"fields, order or spacing differ from the canonical form",
            ));
        }
        specification.check().map_err(|e| wrong(&e))?;
        Ok(specification)
    }

    /// The adapter's settings.
    pub(super) fn lora(&self) -> Result<LoraConfig, BuildError> {
        let Adapter {
            r,
            lora_alpha,
            target_modules,
        } = &self.adapter;
        LoraConfig::new(u64::from(*r), u64::from(*lora_alpha), 0.0, target_modules)
            .map_err(|e| BuildError::Specification(e.to_string()))
    }

    /// The learning rates.
    pub(super) fn schedule(&self) -> assay_model::Schedule {
        assay_model::Schedule {
            peak: self.training.learning_rate,
            steps: self.training.steps,
            warmup_steps: self.training.warmup_steps,
            decay: match self.training.schedule {
                Schedule::Constant => Decay::Constant,
                Schedule::Linear => Decay::Linear,
            },
        }
    }

    fn encode(&self) -> Vec<u8> {
        // Serialising plain structs of numbers and strings into memory cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Refuses values outside the ranges the job file documents.
    fn check(&self) -> Result<(), JobError> {
        within("version", self.version, 1, 1)?;
        within("data.sequence_length", self.data.sequence_length, 2, 8_192)?;
        within("adapter.r", self.adapter.r, 1, 1_024)?;
        within("adapter.lora_alpha", self.adapter.lora_alpha, 1, 65_536)?;
        self.lora()
            .map_err(|e| JobError::value("adapter", e.to_string()))?;
        within("training.steps", self.training.steps, 1, 10_000_000)?;
        within("training.batch_size", self.training.batch_size, 1, 4_096)?;
        within(
            "training.learning_rate",
            self.training.learning_rate,
            1e-9,
            10.0,
        )?;
        within(
            "training.weight_decay",
            self.training.weight_decay,
            0.0,
            10.0,
        )?;
        within(
            "training.warmup_steps",
            self.training.warmup_steps,
            0,
            self.training.steps,
        )
    }
}

/// Reads a job file; see [`crate::read`].
pub(super) fn read(text: &str, folder: &Path) -> Result<Job, JobError> {
    let file: FinetuneFile = toml::from_str(text).map_err(|e| JobError::Syntax(Box::new(e)))?;
    let specification = Specification {
        version: 1,
        data: Reading {
            completion_only: file.data.completion_only,
            sequence_length: file.data.sequence_length,
            packing: file.data.packing,
            truncation: file.data.truncation,
        },
        adapter: file.adapter,
        training: file.training,
    };
    specification.check()?;
    let source = |name, field, path: &Path| InputSource::file(name, field, folder, path);
    Ok(Job {
        kind: "finetune",
        name: file.name,
        steps: specification.training.steps,
        specification: specification.encode(),
        inputs: vec![
            InputSource::model(MODEL, "model.path", folder, &file.model.path),
            source(TRAIN, "data.train", &file.data.train),
        ],
        private: file
            .data
            .heldout
            .iter()
            .map(|path| source(HELDOUT, "data.heldout", path))
            .collect(),
        audit: file.audit,
        market: file.market,
        deadlines: file.deadlines,
    })
}
