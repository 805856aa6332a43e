//! The `[training]` section: the optimiser and how long it runs.

use assay_model::{ActivationStorage, AdamWConfig, Decay, TrainSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::JobError;
use crate::sections::within;

/// The optimiser and how long it runs.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Training {
    /// Optimiser steps.
    pub(super) steps: u64,
    /// Sequences per step, or per micro-batch with gradient_accumulation_steps.
    pub(super) batch_size: u32,
    /// Micro-batches per step; their gradients add up.
    #[serde(default = "one")]
    pub(super) gradient_accumulation_steps: u32,
    /// Peak learning rate.
    pub(super) learning_rate: f32,
    /// LoRA+: the factor on the learning rate of B.
    #[serde(default)]
    pub(super) loraplus_lr_ratio: Option<f32>,
    /// Decoupled weight decay.
    #[serde(default)]
    pub(super) weight_decay: f32,
    /// Gradients longer than this are scaled down to it.
    #[serde(default)]
    pub(super) max_grad_norm: Option<f32>,
    /// Steps over which the learning rate rises from zero.
    #[serde(default)]
    pub(super) warmup_steps: u64,
    /// What the learning rate does after the warm-up.
    #[serde(default)]
    pub(super) schedule: Schedule,
    /// Compute each layer again in the backward pass: slower, in less memory, with equal bits.
    #[serde(default)]
    pub(super) gradient_checkpointing: bool,
    /// How what the backward pass reads of the forward pass is held until then: bfloat16 takes half
    /// the memory and rounds the gradients' inputs, not the loss.
    #[serde(default, skip_serializing_if = "StorageName::is_float32")]
    pub(super) activation_storage: StorageName,
    /// Measure the loss on data.validation after every so many steps, and after the last.
    #[serde(default)]
    pub(super) eval_steps: Option<u64>,
    /// Stop once so many evaluations in a row were no better than the best.
    #[serde(default)]
    pub(super) early_stopping_patience: Option<u32>,
    /// End with the adapter of the best evaluation instead of the last step's.
    #[serde(default)]
    pub(super) load_best_model_at_end: bool,
}

/// How a run watches itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evaluation {
    /// Steps between evaluations.
    pub(super) every: u64,
    /// Evaluations without improvement after which it stops.
    pub(super) patience: Option<u32>,
    /// Whether it ends with the best adapter.
    pub(super) keeps_best: bool,
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
    /// Falls along half a cosine to zero at the last step.
    Cosine,
}

/// How an activation is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StorageName {
    /// 4 bytes.
    #[default]
    Float32,
    /// 2 bytes.
    BFloat16,
}

impl StorageName {
    /// Left out of a specification, which then has the bytes it had before there was a choice.
    fn is_float32(&self) -> bool {
        *self == Self::Float32
    }
}

impl From<StorageName> for ActivationStorage {
    fn from(name: StorageName) -> Self {
        match name {
            StorageName::Float32 => Self::Float32,
            StorageName::BFloat16 => Self::BFloat16,
        }
    }
}

fn one() -> u32 {
    1
}

impl Training {
    /// Settings of each step.
    pub(super) fn settings(&self) -> TrainSettings {
        TrainSettings {
            optimizer: AdamWConfig {
                weight_decay: self.weight_decay,
                ..AdamWConfig::default()
            },
            gradient_accumulation_steps: self.gradient_accumulation_steps,
            max_grad_norm: self.max_grad_norm,
            gradient_checkpointing: self.gradient_checkpointing,
            activation_storage: self.activation_storage.into(),
            loraplus_lr_ratio: self.loraplus_lr_ratio,
        }
    }

    /// How the run watches itself, if it does.
    pub(super) fn evaluation(&self) -> Option<Evaluation> {
        self.eval_steps.map(|every| Evaluation {
            every,
            patience: self.early_stopping_patience,
            keeps_best: self.load_best_model_at_end,
        })
    }

    /// Sequences of a whole step.
    pub(super) fn rows(&self) -> usize {
        self.batch_size as usize * self.gradient_accumulation_steps as usize
    }

    /// The learning rates.
    pub(super) fn rates(&self) -> assay_model::Schedule {
        assay_model::Schedule {
            peak: self.learning_rate,
            steps: self.steps,
            warmup_steps: self.warmup_steps,
            decay: match self.schedule {
                Schedule::Constant => Decay::Constant,
                Schedule::Linear => Decay::Linear,
                Schedule::Cosine => Decay::Cosine,
            },
        }
    }

    /// Refuses values outside the ranges the job file documents.
    pub(super) fn check(&self) -> Result<(), JobError> {
        within("training.steps", self.steps, 1, 10_000_000)?;
        within("training.batch_size", self.batch_size, 1, 4_096)?;
        let accumulated = self.gradient_accumulation_steps;
        within("training.gradient_accumulation_steps", accumulated, 1, 256)?;
        within("training.learning_rate", self.learning_rate, 1e-9, 10.0)?;
        let ratio = self.loraplus_lr_ratio.unwrap_or(1.0);
        within("training.loraplus_lr_ratio", ratio, 1e-3, 1e3)?;
        within("training.weight_decay", self.weight_decay, 0.0, 10.0)?;
        let longest = self.max_grad_norm.unwrap_or(1.0);
        within("training.max_grad_norm", longest, 1e-6, 1e6)?;
        within(
            "training.eval_steps",
            self.eval_steps.unwrap_or(1),
            1,
            self.steps,
        )?;
        let patience = self.early_stopping_patience.unwrap_or(1);
        within("training.early_stopping_patience", patience, 1, 1_000_000)?;
        let watches = self.early_stopping_patience.is_some() || self.load_best_model_at_end;
        if watches && self.eval_steps.is_none() {
            let reason = "stopping early and keeping the best need evaluations; set it";
            return Err(JobError::value("training.eval_steps", reason.to_owned()));
        }
        within("training.warmup_steps", self.warmup_steps, 0, self.steps)
    }
}
