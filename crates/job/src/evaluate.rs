//! `kind = "evaluate"`: the loss of a model, with or without an adapter, on a data set.
//!
//! Step `i` scores batch `i - 1`; the state is the running sum. So an evaluation is committed to,
//! audited and judged exactly like a training run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_crypto::Digest;
use assay_data::DataSet;
use assay_kernel::Kernel;
use assay_ledger::StepIndex;
use assay_model::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, BatchShape, Evaluator, GradientError, InvalidStep,
    ModelConfig, ModelShape, Precision, Purpose, Score,
};
use assay_proof::{Program, ProgramError, StepReport, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{BuildError, JobError};
use crate::kind::{Delivery, Inputs, Job, Kind, Sizes};
use crate::language::{self, ADAPTER, MODEL, Reading};
use crate::price::Price;
use crate::sections::{Audit, Deadlines, Market, within};
use crate::source::InputSource;
use crate::step::Step;

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
    market: Market,
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
            market: file.market,
            deadlines: file.deadlines,
        };
        // One pass over the data: only the data says how many steps that is.
        let read = job.read_inputs()?;
        let base = language::base(&read, Precision::Float32)?;
        let rows = language::rows(&read, DATA, &base, &specification.data)?;
        job.steps = rows.batches(specification.evaluation.batch_size as usize) as u64;
        job.audit = job.audit.over(job.steps);
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
        model: &ModelShape,
        inputs: &Sizes,
    ) -> Result<Price, BuildError> {
        Price::of(&self.step(specification, model)?, None, inputs)
    }

    fn deliver(
        &self,
        specification: &[u8],
        inputs: &Inputs,
        _private: &Inputs,
        state: &[u8],
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

/// The run of one evaluation.
struct Scoring {
    evaluator: Evaluator,
    rows: DataSet,
    batch_size: usize,
    score: Score,
    /// Why the latest batch gave no number.
    fault: Option<String>,
}

impl Scoring {
    fn new(task: &Task) -> Result<Self, BuildError> {
        let specification = Specification::decode(&task.spec)?;
        let inputs = language::by_name(task);
        let kernel = Kernel::detect()?;
        let base = language::base(&inputs, Precision::Float32)?;
        let rows = language::rows(&inputs, DATA, &base, &specification.data)?;
        let batch_size = specification.evaluation.batch_size as usize;
        let batches = rows.batches(batch_size) as u64;
        if batches != task.steps {
            let problem = format!(
                "the data makes {batches} steps and the job says {}",
                task.steps
            );
            return Err(BuildError::Specification(problem));
        }
        let adapter = inputs
            .get(ADAPTER)
            .map(|bytes| language::adapter(bytes, &base))
            .transpose()?;
        let shape = BatchShape {
            batch: batch_size,
            seq: rows.sequence_length(),
        };
        let evaluator = Evaluator::new(&kernel, Arc::clone(&base), adapter.as_ref(), shape)
            .map_err(|error| match error {
                GradientError::Shape(error) => BuildError::field("data.sequence_length", error),
                GradientError::Method(error) => BuildError::input(ADAPTER, error),
                error => BuildError::input(MODEL, error),
            })?;
        Ok(Self {
            evaluator,
            rows,
            batch_size,
            score: Score::default(),
            fault: None,
        })
    }
}

impl Program for Scoring {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.score = Score::default();
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.score = decode(bytes).map_err(|e| ProgramError::Refused(e.to_string()))?;
        Ok(())
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        let index = step.0.saturating_sub(1) as usize;
        let batch = self.rows.batch(index, self.batch_size);
        let units = batch.ids.len() as u64;
        self.fault = None;
        match self.evaluator.score(&batch) {
            Ok(score) => {
                self.score.add(score);
                let loss_micro = score.mean().map(|mean| (mean * 1e6).round() as i64);
                Ok(StepReport {
                    step,
                    loss_micro,
                    units,
                    valid: true,
                })
            }
            Err(error @ InvalidStep::NotFinite { .. }) => {
                self.fault = Some(error.to_string());
                Ok(StepReport {
                    step,
                    loss_micro: None,
                    units: 0,
                    valid: false,
                })
            }
            Err(error) if error.is_local() => Err(ProgramError::Local(error.to_string())),
            Err(error) => Err(ProgramError::Refused(error.to_string())),
        }
    }

    fn encode(&self) -> Vec<u8> {
        encode(&self.score)
    }

    fn digest(&self) -> Digest {
        Digest::of("assay/score/v1", &[&encode(&self.score)])
    }

    fn fault(&self) -> Option<String> {
        self.fault.clone()
    }
}

/// Version byte, bits of the loss sum, tokens; little-endian.
fn encode(score: &Score) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend(score.loss_sum.to_bits().to_le_bytes());
    bytes.extend(score.tokens.to_le_bytes());
    bytes
}

/// Bytes that are not the state of an evaluation.
#[derive(Debug, thiserror::Error)]
#[error("these bytes are not the state of an evaluation")]
struct NotAScore;

fn decode(bytes: &[u8]) -> Result<Score, NotAScore> {
    let (Some(([1], rest)), 17) = (bytes.split_first_chunk::<1>(), bytes.len()) else {
        return Err(NotAScore);
    };
    let (sum, tokens) = rest.split_first_chunk::<8>().ok_or(NotAScore)?;
    let tokens: [u8; 8] = tokens.try_into().map_err(|_| NotAScore)?;
    let loss_sum = f64::from_bits(u64::from_le_bytes(*sum));
    let tokens = u64::from_le_bytes(tokens);
    // Far above any data set, and far below where adding another batch overflows.
    if !loss_sum.is_finite() || tokens > 1 << 53 {
        return Err(NotAScore);
    }
    Ok(Score { loss_sum, tokens })
}
