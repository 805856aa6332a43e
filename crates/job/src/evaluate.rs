//! `kind = "evaluate"`: the loss of a model, with or without an adapter, on a data set.
//!
//! Step `i` scores batch `i - 1`; the state is the running sum. So an evaluation is committed to,
//! audited and judged exactly like a training run.

mod scoring;

use std::path::{Path, PathBuf};

use assay_kernel::Kernel;
use assay_ledger::Counts;
use assay_model::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, BatchShape, ModelConfig, ModelShape, Precision, Purpose,
};
use assay_proof::{Program, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::build_error::BuildError;
use crate::delivery::Delivery;
use crate::error::JobError;
use crate::inputs::{ADAPTER, Inputs, MODEL};
use crate::kind::{Job, Kind};
use crate::language::{self, Reading};
use crate::price::{Price, Sizes};
use crate::sections::{Audit, Deadlines, Market, MarketTable, within};
use crate::source::InputSource;
use crate::step::Step;
use scoring::{Scoring, decode};

/// Scores a model on data.
#[derive(Debug)]
pub(crate) struct Evaluate;

/// Input: the records to score.
const DATA: &str = "data";

/// An evaluation job file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EvaluateFile {
    /// Always `evaluate`.
    #[schemars(extend("const" = "evaluate"))]
    #[expect(dead_code, reason = "read before the kind is known")]
    kind: String,
    /// Your name for the job.
    name: String,
    model: Folder,
    adapter: Option<Folder>,
    data: Data,
    evaluation: Evaluation,
    #[serde(default)]
    audit: Audit,
    #[serde(default)]
    market: MarketTable,
    #[serde(default)]
    deadlines: Deadlines,
}

/// A folder on this machine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Folder {
    /// Relative to this file.
    path: PathBuf,
}

/// The records to score. Their shapes are those a fine-tuning reads: messages, conversations, prompt
/// and completion, instruction and output, dialogue and summary, or text (docs/records.md).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Data {
    /// Records (.jsonl, .json, .csv, .tsv, .parquet) or running text (.txt, .md).
    path: PathBuf,
    /// Count only answers, not questions.
    #[serde(default)]
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

/// How the records are scored.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Evaluation {
    /// Sequences per step; one pass over the data decides the number of steps.
    batch_size: u32,
}

/// What the ledger holds: JSON in this field order, without spaces.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Specification {
    version: u32,
    data: Reading,
    evaluation: Evaluation,
}

impl Specification {
    fn decode(bytes: &[u8]) -> Result<Self, BuildError> {
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

    fn encode(&self) -> Vec<u8> {
        // Serialising plain structs of numbers into memory cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// One step on a model of these sizes.
    fn step(&self, model: ModelConfig) -> Step {
        Step {
            model,
            method: None,
            shape: BatchShape {
                batch: self.evaluation.batch_size as usize,
                seq: self.data.sequence_length as usize,
            },
            purpose: Purpose::Loss,
            precision: Precision::Float32,
        }
    }

    fn check(&self) -> Result<(), JobError> {
        within("version", self.version, 1, 1)?;
        within("data.sequence_length", self.data.sequence_length, 2, 8_192)?;
        within(
            "evaluation.batch_size",
            self.evaluation.batch_size,
            1,
            4_096,
        )
    }
}

impl Kind for Evaluate {
    fn name(&self) -> &'static str {
        "evaluate"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(EvaluateFile)
    }

    fn read(&self, text: &str, folder: &Path) -> Result<Job, JobError> {
        let file: EvaluateFile = toml::from_str(text).map_err(|e| JobError::Syntax(Box::new(e)))?;
        language::check_packing(file.data.packing)?;
        let specification = Specification {
            version: 1,
            data: Reading {
                completion_only: file.data.completion_only,
                sequence_length: file.data.sequence_length,
                truncation: file.data.truncation,
            },
            evaluation: file.evaluation,
        };
        specification.check()?;
        let mut inputs = vec![
            InputSource::model(
                MODEL,
                "model.path",
                folder,
                &file.model.path,
                file.adapter.as_ref().map(|adapter| adapter.path.as_path()),
            ),
            InputSource::data(DATA, "data.path", folder, &file.data.path),
        ];
        if let Some(adapter) = &file.adapter {
            const FILES: &[&str] = &[ADAPTER_CONFIG, ADAPTER_WEIGHTS];
            let path = &adapter.path;
            inputs.push(InputSource::folder(
                ADAPTER,
                "adapter.path",
                folder,
                path,
                FILES,
            ));
        }
        let mut job = Job {
            kind: &Evaluate,
            name: file.name,
            specification: specification.encode(),
            inputs,
            private: vec![],
            steps: 0,
            steps_field: "data.path",
            audit: file.audit,
            market: Market::usual(0, &Audit::default()),
            deadlines: file.deadlines,
            rounds: None,
            brought: 0,
        };
        // One pass over the data: only the data says how many steps that is.
        let read = job.read_inputs()?;
        let base = language::base(&read, Precision::Float32)?;
        let rows = language::rows(&read, DATA, &base, &specification.data)?;
        job.steps = rows.batches(specification.evaluation.batch_size as usize) as u64;
        job.audit = job.audit.over(job.steps);
        job.market = file.market.over(job.steps, &job.audit);
        Ok(job)
    }

    fn program(&self, task: &Task) -> Result<Box<dyn Program>, BuildError> {
        Ok(Box::new(Scoring::new(task)?))
    }

    fn check(&self, task: &Task, _private: &Inputs) -> Result<(), BuildError> {
        Scoring::new(task).map(drop)
    }

    fn step(&self, specification: &[u8], model: &ModelShape) -> Result<Step, BuildError> {
        let model = model.config();
        let model = model.map_err(|e| BuildError::input(MODEL, e))?;
        Ok(Specification::decode(specification)?.step(model))
    }

    fn price(
        &self,
        specification: &[u8],
        model: Option<&ModelShape>,
        inputs: &Sizes,
    ) -> Result<Price, BuildError> {
        let model = model.ok_or(BuildError::NoModel("evaluate"))?;
        Price::of(&self.step(specification, model)?, None, inputs)
    }

    fn deliver(
        &self,
        specification: &[u8],
        inputs: &Inputs,
        _private: &Inputs,
        (_, state): (&Counts, &[u8]),
    ) -> Result<Delivery, BuildError> {
        let score = decode(state).map_err(|e| BuildError::input("result", e))?;
        let loss = score.mean().ok_or(BuildError::NothingScored(DATA))?;
        let specification = Specification::decode(specification)?;
        let (kernel, base) = (
            Kernel::detect()?,
            language::base(inputs, Precision::Float32)?,
        );
        let rows = language::rows(inputs, DATA, &base, &specification.data)?;
        let left_out = (rows.counted() as u64).saturating_sub(score.tokens);
        let mut delivery = Delivery {
            notes: language::notes(inputs)?,
            ..Delivery::default()
        };
        let figures = [
            ("loss", loss),
            ("tokens", score.tokens as f64),
            ("invalid_tokens", left_out as f64),
        ];
        delivery.figures = figures.map(|(name, value)| (name.to_owned(), value)).into();
        if left_out > 0 {
            delivery.warnings.push(format!(
                "{left_out} of {} tokens gave a NaN or infinity and are not in the loss",
                rows.counted()
            ));
        }
        if let Some(bytes) = inputs.get(ADAPTER)
            && language::adapter(bytes, &base)?.changes_nothing(&kernel, &base)
        {
            let text = "the adapter changes nothing: this is the loss of the base model";
            delivery.warnings.push(text.to_owned());
        }
        let json = serde_json::to_vec_pretty(&delivery.figures).unwrap_or_default();
        delivery.files.push(("evaluation.json".to_owned(), json));
        Ok(delivery)
    }
}
