//! The program of an evaluation, and its state.

use std::sync::Arc;

use assay_crypto::tiles::Writer;
use assay_data::DataSet;
use assay_kernel::Kernel;
use assay_ledger::{StepIndex, Taken};
use assay_model::{BatchShape, Evaluator, GradientError, InvalidStep, Precision, Score};
use assay_proof::{Program, ProgramError, StepReport, Task};

use super::{DATA, Specification};
use crate::build_error::BuildError;
use crate::inputs::{ADAPTER, MODEL, by_name};
use crate::language;

/// The run of one evaluation.
pub(super) struct Scoring {
    evaluator: Evaluator,
    rows: DataSet,
    batch_size: usize,
    score: Score,
    /// Why the latest batch gave no number.
    fault: Option<String>,
}

impl Scoring {
    pub(super) fn new(task: &Task) -> Result<Self, BuildError> {
        let specification = Specification::decode(&task.spec)?;
        let inputs = by_name(task);
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
                    taken: Taken::Valid,
                })
            }
            Err(error @ InvalidStep::NotFinite { .. }) => {
                self.fault = Some(error.to_string());
                Ok(StepReport {
                    taken: Taken::Invalid,
                    ..StepReport::idle(step)
                })
            }
            Err(error) if error.is_local() => Err(ProgramError::Local(error.to_string())),
            Err(error) => Err(ProgramError::Refused(error.to_string())),
        }
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&encode(&self.score));
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
pub(super) struct NotAScore;

pub(super) fn decode(bytes: &[u8]) -> Result<Score, NotAScore> {
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
