//! Scoring a model on data.

use std::sync::Arc;

use assay_data::Batch;
use assay_kernel::Kernel;

use crate::adapter::Adapter;
use crate::base::Base;
use crate::error::InvalidStep;
use crate::executor::{Executor, Feed};
use crate::graph::{BatchShape, Purpose};
use crate::trainer::{GradientError, check_batch, load_adapter};

/// The loss of some batches: a sum and what it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Sum of the losses in nats. Each batch gives an f32; they are added in f64, in order.
    pub loss_sum: f64,
    /// How many labels counted.
    pub tokens: u64,
}

impl Score {
    /// Adds a later batch.
    pub fn add(&mut self, next: Self) {
        self.loss_sum += next.loss_sum;
        self.tokens += next.tokens;
    }

    /// Mean loss in nats; `None` when nothing counted.
    pub fn mean(self) -> Option<f64> {
        (self.tokens > 0).then(|| self.loss_sum / self.tokens as f64)
    }
}

/// Scores batches of one shape.
pub struct Evaluator {
    executor: Executor,
}

impl Evaluator {
    /// An evaluator of a base with or without an adapter.
    ///
    /// # Errors
    /// When the batch cannot be computed or the adapter does not fit the base.
    pub fn new(
        kernel: &Kernel,
        base: Arc<Base>,
        adapter: Option<&Adapter>,
        shape: BatchShape,
    ) -> Result<Self, GradientError> {
        let executor = with_adapter(kernel, base, adapter, shape, Purpose::Loss)?;
        Ok(Self { executor })
    }

    /// The loss of a batch. A batch in which nothing counts scores zero over zero tokens.
    ///
    /// # Errors
    /// When the batch has another shape, a token lies outside the vocabulary, or an operator gives
    /// a NaN or infinity.
    pub fn score(&mut self, batch: &Batch) -> Result<Score, InvalidStep> {
        let vocab = self.executor.base().config().vocab_size;
        check_batch(batch, self.executor.graph().shape, vocab)?;
        self.executor.run(Feed::of(batch))?;
        let sum = self.executor.graph().results[0];
        Ok(Score {
            loss_sum: f64::from(self.executor.result(sum)[0]),
            tokens: batch.counted() as u64,
        })
    }
}

/// Scores one batch. For many of one shape, keep an [`Evaluator`].
///
/// # Errors
/// As [`Evaluator::new`] and [`Evaluator::score`].
pub fn evaluate(
    kernel: &Kernel,
    base: &Arc<Base>,
    adapter: Option<&Adapter>,
    batch: &Batch,
) -> Result<Score, GradientError> {
    let shape = BatchShape {
        batch: batch.batch,
        seq: batch.seq,
    };
    Ok(Evaluator::new(kernel, base.clone(), adapter, shape)?.score(batch)?)
}

/// The logits of every position of a batch, `[positions, vocab]`.
///
/// # Errors
/// As [`evaluate`].
pub fn logits(
    kernel: &Kernel,
    base: &Arc<Base>,
    adapter: Option<&Adapter>,
    batch: &Batch,
) -> Result<Vec<f32>, GradientError> {
    let shape = BatchShape {
        batch: batch.batch,
        seq: batch.seq,
    };
    let mut executor = with_adapter(kernel, base.clone(), adapter, shape, Purpose::Logits)?;
    check_batch(batch, shape, base.config().vocab_size)?;
    executor.run(Feed::of(batch))?;
    Ok(executor.result(executor.graph().results[0]).to_vec())
}

/// An executor with an adapter's values in place.
pub(crate) fn with_adapter(
    kernel: &Kernel,
    base: Arc<Base>,
    adapter: Option<&Adapter>,
    shape: BatchShape,
    purpose: Purpose,
) -> Result<Executor, GradientError> {
    let method = adapter.map(Adapter::method);
    if let (Some(adapter), Some(method)) = (adapter, method)
        && let Some(reason) = adapter.mismatch(method, base.config())
    {
        return Err(InvalidStep::State(reason).into());
    }
    if let Some(adapter) = adapter {
        adapter.check_rows(kernel, &base)?;
    }
    let mut executor = Executor::new(kernel, base, method, shape, purpose)?;
    if let Some(adapter) = adapter {
        load_adapter(&mut executor, adapter);
    }
    Ok(executor)
}
