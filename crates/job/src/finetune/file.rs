//! The job file of a fine-tuning, and the specification it becomes.

use std::path::{Path, PathBuf};

use assay_model::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, Method, ModelConfig, Precision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adapter::{Adapter, AdapterFile};
use super::training::Training;
use super::{Finetune, HELDOUT, TRAIN, VALIDATION};
use crate::build_error::BuildError;
use crate::error::JobError;
use crate::inputs::{ADAPTER, MODEL};
use crate::kind::Job;
use crate::language::{self, Reading};
use crate::sections::{Audit, Deadlines, MarketTable, within};
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
    adapter: AdapterFile,
    training: Training,
    #[serde(default)]
    audit: Audit,
    #[serde(default)]
    market: MarketTable,
    #[serde(default)]
    deadlines: Deadlines,
}

/// The base model.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Model {
    /// A Hugging Face model folder or a .gguf file, relative to this file.
    path: PathBuf,
    /// How the frozen projections are held in memory while an adapter is trained: shorter forms take
    /// less of it and change the model a little. Full fine-tuning has only float32.
    #[serde(default)]
    precision: PrecisionName,
}

/// How a value is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PrecisionName {
    /// 4 bytes.
    #[default]
    Float32,
    /// 2 bytes.
    BFloat16,
    /// 1 byte, with a scale for each row.
    Int8,
    /// Half a byte, with a scale for each block of 64 (QLoRA's NormalFloat).
    Nf4,
    /// As int8, and computed in 8-bit integers: much faster.
    W8A8,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::Float32 => Self::Float32,
            PrecisionName::BFloat16 => Self::BFloat16,
            PrecisionName::Int8 => Self::Int8,
            PrecisionName::Nf4 => Self::Nf4,
            PrecisionName::W8A8 => Self::W8A8,
        }
    }
}

/// The records to learn from. Each has one of these shapes (docs/records.md says all about them):
///
/// - messages: [{role, content}, ...], as OpenAI and TRL write conversations, with tool_calls,
///   tool_call_id, name, reasoning_content, parts of text, and weight (0 or 1) or train at a
///   message. Written with the model's chat template; every assistant message is learned.
/// - conversations: the same, or ShareGPT's [{from, value}, ...].
/// - prompt and completion: two lists of messages, of which the completion is learned; or two
///   strings, which become a user and an assistant message (TRL would join them without a template).
/// - instruction, input and output, as Alpaca has them: a user message, with the input after an
///   empty line, and the output as the answer.
/// - dialogue and summary, as SAMSum has them: the dialogue, an empty line and "Summary:" are the
///   user message, the summary is the answer.
/// - text: running text without a template, all of it learned; needs completion_only = false.
///
/// Beside a conversation: tools, documents, chat_template_kwargs and system.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Data {
    /// Training records (.jsonl, .json, .csv, .tsv, .parquet) or running text (.txt, .md).
    train: PathBuf,
    /// Records of the same form for training.eval_steps; provider and auditors can read them.
    validation: Option<PathBuf>,
    /// Held-out records of the same form; nobody but you can read them.
    heldout: Option<PathBuf>,
    /// Learn only from answers, not from questions: from the mark that asks for an answer to the
    /// end of its turn, or what the template's generation blocks write.
    #[serde(default = "yes")]
    completion_only: bool,
    /// Tokens per sequence.
    sequence_length: u32,
    /// Only false: every record has a sequence to itself, so that none sees another.
    #[serde(default)]
    #[schemars(extend("const" = false))]
    packing: bool,
    /// Cut records that are longer than a sequence; otherwise they are an error.
    #[serde(default)]
    truncation: bool,
}

fn yes() -> bool {
    true
}

/// What the ledger holds of a fine-tuning: JSON in this field order, without spaces.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Specification {
    pub(super) version: u32,
    pub(super) precision: PrecisionName,
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

    /// The method with its settings, on this model.
    pub(super) fn method(&self, model: &ModelConfig) -> Result<Method, BuildError> {
        let method = self.adapter.method(model.num_hidden_layers);
        method.map_err(|error| BuildError::field("adapter", error))
    }

    fn encode(&self) -> Vec<u8> {
        // Serialising plain structs of numbers and strings into memory cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Refuses values outside the ranges the job file documents.
    fn check(&self) -> Result<(), JobError> {
        within("version", self.version, 1, 1)?;
        within("data.sequence_length", self.data.sequence_length, 2, 8_192)?;
        let settings = self.adapter.check();
        settings.map_err(|e| JobError::value("adapter", e.to_string()))?;
        if self.adapter == Adapter::Full && self.precision != PrecisionName::Float32 {
            let reason = "full fine-tuning trains the model in float32; remove it, or choose lora";
            return Err(JobError::value("model.precision", reason.to_owned()));
        }
        if self.training.loraplus_lr_ratio.is_some()
            && !matches!(self.adapter, Adapter::Lora { .. })
        {
            let reason = "only lora has it; remove it, or choose another method".to_owned();
            return Err(JobError::value("training.loraplus_lr_ratio", reason));
        }
        self.training.check()
    }
}

/// Reads a job file; see [`crate::read`].
pub(super) fn read(text: &str, folder: &Path) -> Result<Job, JobError> {
    let file: FinetuneFile = toml::from_str(text).map_err(|e| JobError::Syntax(Box::new(e)))?;
    language::check_packing(file.data.packing)?;
    let resumed = file.adapter.path.clone();
    let specification = Specification {
        version: 1,
        precision: file.model.precision,
        data: Reading {
            completion_only: file.data.completion_only,
            sequence_length: file.data.sequence_length,
            truncation: file.data.truncation,
        },
        adapter: file.adapter.resolve()?,
        training: file.training,
    };
    specification.check()?;
    if resumed.is_some() && specification.adapter == Adapter::Full {
        let reason = "full fine-tuning has no adapter; name the tuned model as model.path instead";
        return Err(JobError::value("adapter.path", reason.to_owned()));
    }
    let source = |name, field, path: &Path| InputSource::data(name, field, folder, path);
    let mut inputs = vec![
        InputSource::model(
            MODEL,
            "model.path",
            folder,
            &file.model.path,
            resumed.as_deref(),
        ),
        source(TRAIN, "data.train", &file.data.train),
    ];
    let (watches, given) = (
        specification.training.eval_steps.is_some(),
        file.data.validation.is_some(),
    );
    if watches != given {
        let reason = "data.validation and training.eval_steps belong together; set both or neither";
        return Err(JobError::value("data.validation", reason.to_owned()));
    }
    if let Some(path) = &file.data.validation {
        inputs.push(source(VALIDATION, "data.validation", path));
    }
    if let Some(path) = &resumed {
        const FILES: &[&str] = &[ADAPTER_CONFIG, ADAPTER_WEIGHTS];
        let field = "adapter.path";
        inputs.push(InputSource::folder(ADAPTER, field, folder, path, FILES));
    }
    let steps = specification.training.steps;
    let audit = file.audit.over(steps);
    Ok(Job {
        kind: &Finetune,
        name: file.name,
        steps,
        steps_field: "training.steps",
        specification: specification.encode(),
        inputs,
        private: file
            .data
            .heldout
            .iter()
            .map(|path| source(HELDOUT, "data.heldout", path))
            .collect(),
        market: file.market.over(steps, &audit),
        audit,
        deadlines: file.deadlines,
        rounds: None,
        brought: 0,
    })
}
