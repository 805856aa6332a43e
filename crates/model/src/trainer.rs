//! Training steps.

mod pieces;

use std::sync::Arc;

use assay_data::Batch;
use assay_graph::{Noise, StepTrace};
use assay_kernel::{BiasPowers, IGNORE, Kernel};

use crate::adapter::{Adapter, Method, ParamInfo};
use crate::base::Base;
use crate::error::{InvalidStep, MethodError, ShapeError};
use crate::executor::{Executor, Feed, Observer, Outcome};
use crate::graph::{BatchShape, Graph, Input, Purpose, TrainSettings};

use crate::state::TrainState;

/// What a step says about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutput {
    /// Mean loss over the labels that count, in nats, before the update.
    pub loss: f32,
    /// How many labels counted.
    pub tokens: usize,
}

/// Runs training steps of one shape: `state' = step(state, batch, learning rate)`, the same bits
/// on every machine.
pub struct Trainer {
    executor: Executor,
    method: Method,
    /// The tensors a state must have.
    params: Vec<ParamInfo>,
    /// What dropout draws from.
    seed: [u8; 32],
    /// How much of the first moment stays.
    beta1: f32,
    /// The state before the step, kept so that an invalid step leaves no trace.
    before: Option<TrainState>,
}

impl Trainer {
    /// A trainer for batches of one shape, which with accumulation is that of a micro-batch. Frozen
    /// matrices are packed for the kernel here, once per base. Dropout draws from `seed`.
    ///
    /// # Errors
    /// When the batch is empty, too long for the model or too large.
    pub fn new(
        kernel: &Kernel,
        base: Arc<Base>,
        method: &Method,
        settings: impl Into<TrainSettings>,
        shape: BatchShape,
        seed: &[u8; 32],
    ) -> Result<Self, ShapeError> {
        let settings = settings.into();
        let beta1 = settings.optimizer.beta1;
        let purpose = Purpose::Train(settings);
        Ok(Self {
            beta1,
            params: method.params(base.config()),
            executor: Executor::new(kernel, base, Some(method), shape, purpose)?,
            method: method.clone(),
            seed: *seed,
            before: None,
        })
    }

    /// The operators of a step, in order.
    pub fn graph(&self) -> &Graph {
        self.executor.graph()
    }

    /// Does one step in place.
    ///
    /// # Errors
    /// [`InvalidStep`] when the batch or the state does not fit, nothing counts, an operator gives a
    /// NaN or infinity, or every gradient is zero; `state` is then unchanged.
    pub fn step(
        &mut self,
        state: &mut TrainState,
        batch: &Batch,
        learning_rate: f32,
    ) -> Result<StepOutput, InvalidStep> {
        self.step_observed(state, batch, learning_rate, None)
    }

    /// [`Trainer::step`], showing every node's outputs to `observer` as they are computed.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn step_observed(
        &mut self,
        state: &mut TrainState,
        batch: &Batch,
        learning_rate: f32,
        observer: Option<&mut Observer<'_>>,
    ) -> Result<StepOutput, InvalidStep> {
        if !learning_rate.is_finite() || learning_rate < 0.0 {
            return Err(InvalidStep::LearningRate(learning_rate));
        }
        let config = self.executor.base().config();
        check_batch(batch, self.executor.graph().rows(), config.vocab_size)?;
        let tokens = batch.counted();
        if tokens == 0 {
            return Err(InvalidStep::NothingCounted);
        }
        check_state(state, &self.method, &self.params)?;
        let Some(next) = state.step.checked_add(1) else {
            return Err(InvalidStep::State(
                "it counts more steps than there are".into(),
            ));
        };
        let before = self.before.get_or_insert_with(|| state.clone());
        before.copy_from(state);
        let feed = Feed {
            noise: Some(Noise {
                key: self.seed,
                step: state.step,
            }),
            ..Feed::of(batch)
        };
        self.load(state, learning_rate);
        let ran = self.executor.run_watched(feed, observer);
        self.exchange(state);
        if ran? == Outcome::NotFinite {
            self.restore(state);
            self.load(state, learning_rate);
            let fault = self.executor.first_fault(feed);
            self.exchange(state);
            self.restore(state);
            return Err(fault);
        }
        let before = self.before.as_ref();
        if before.is_some_and(|before| !state.has_learned_since(before, self.beta1)) {
            self.restore(state);
            return Err(InvalidStep::NoGradient);
        }
        let results = &self.executor.graph().results;
        let loss = self.executor.result(results[0])[0];
        let powers = self.executor.result(results[1]);
        state.powers = BiasPowers {
            beta1: powers[0],
            beta2: powers[1],
        };
        state.step = next;
        Ok(StepOutput { loss, tokens })
    }

    /// [`Trainer::step`] with a record of every operator's outputs, in order: what a dispute about
    /// one step bisects over. Hashing every output takes longer than the step; no run does it unasked.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn step_traced(
        &mut self,
        state: &mut TrainState,
        batch: &Batch,
        learning_rate: f32,
    ) -> Result<(StepOutput, StepTrace), InvalidStep> {
        let mut recorder = StepTrace::recorder(self.graph());
        let mut observe = |_: usize, outputs: &[&[f32]]| recorder.push(outputs);
        let output = self.step_observed(state, batch, learning_rate, Some(&mut observe))?;
        Ok((output, recorder.finish()))
    }

    /// Puts everything a step changes into the executor.
    fn load(&mut self, state: &mut TrainState, learning_rate: f32) {
        self.exchange(state);
        set(&mut self.executor, Input::LearningRate, &[learning_rate]);
        let powers = [state.powers.beta1, state.powers.beta2];
        set(&mut self.executor, Input::Powers, &powers);
    }

    fn restore(&self, state: &mut TrainState) {
        if let Some(before) = &self.before {
            state.copy_from(before);
        }
    }

    /// Swaps the state's tensors with the executor's buffers of the same size.
    fn exchange(&mut self, state: &mut TrainState) {
        for (input, buffer) in self.executor.state_buffers() {
            let values = match input {
                Input::Param(i) => &mut state.adapter.params[i as usize].values,
                Input::First(i) => &mut state.first[i as usize],
                Input::Second(i) => &mut state.second[i as usize],
                _ => continue,
            };
            std::mem::swap(values, buffer);
        }
    }
}

/// Computes the mean loss of a batch and the gradient of every trained tensor, in the order of
/// [`Method::params`], without an update or dropout.
///
/// # Errors
/// As [`Trainer::step`].
pub fn gradients(
    kernel: &Kernel,
    base: &Arc<Base>,
    adapter: &Adapter,
    batch: &Batch,
) -> Result<(f32, Vec<Vec<f32>>), GradientError> {
    let shape = BatchShape {
        batch: batch.batch,
        seq: batch.seq,
    };
    let method = adapter.method();
    let purpose = Purpose::Gradients;
    let mut executor = Executor::new(kernel, base.clone(), Some(method), shape, purpose)?;
    check_batch(batch, shape, base.config().vocab_size)?;
    if batch.counted() == 0 {
        return Err(InvalidStep::NothingCounted.into());
    }
    if let Some(reason) = adapter.mismatch(method, base.config()) {
        return Err(InvalidStep::State(reason).into());
    }
    load_adapter(&mut executor, adapter);
    executor.run(Feed::of(batch))?;
    let results = executor.graph().results.clone();
    let all = results[1..].iter().map(|id| executor.result(*id).to_vec());
    Ok((executor.result(results[0])[0], all.collect()))
}

/// Why [`gradients`] failed.
#[derive(Debug, thiserror::Error)]
pub enum GradientError {
    /// The batch cannot be computed.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The step is invalid.
    #[error(transparent)]
    Step(#[from] InvalidStep),
    /// The adapter cannot be computed on this base.
    #[error(transparent)]
    Method(#[from] MethodError),
}

/// Copies an adapter into the executor.
pub(crate) fn load_adapter(executor: &mut Executor, adapter: &Adapter) {
    for (input, buffer) in executor.state_buffers() {
        if let Input::Param(i) = input {
            buffer.copy_from_slice(&adapter.params[i as usize].values);
        }
    }
}

fn set(executor: &mut Executor, which: Input, values: &[f32]) {
    for (input, buffer) in executor.state_buffers() {
        if input == which {
            buffer.copy_from_slice(values);
        }
    }
}

/// Checks that a batch has a shape, in rows of all micro-batches, and no token outside the
/// vocabulary.
///
/// # Errors
/// [`InvalidStep::BatchShape`] or [`InvalidStep::Token`].
pub fn check_batch(batch: &Batch, shape: BatchShape, vocab: usize) -> Result<(), InvalidStep> {
    let positions = shape.positions();
    let fits = (batch.batch, batch.seq) == (shape.batch, shape.seq)
        && batch.ids.len() == positions
        && batch.labels.len() == positions;
    if !fits {
        let (rows, seq) = (shape.batch, shape.seq);
        return Err(InvalidStep::BatchShape(batch.batch, batch.seq, rows, seq));
    }
    let id = batch.ids.iter().map(|id| i64::from(*id));
    let labels = batch.labels.iter().filter(|label| **label != IGNORE);
    let mut all = id.chain(labels.map(|label| i64::from(*label)));
    match all.find(|token| !(0..vocab as i64).contains(token)) {
        None => Ok(()),
        Some(token) => Err(InvalidStep::Token(token, vocab)),
    }
}

pub(crate) fn check_state(
    state: &TrainState,
    method: &Method,
    params: &[ParamInfo],
) -> Result<(), InvalidStep> {
    let other = (state.adapter.method != *method).then(|| "its method or settings differ".into());
    let misfit = other.or_else(|| state.adapter.misfit(params));
    let reason = misfit.or_else(|| {
        let params = state.adapter.params.iter().map(|p| p.moments());
        let moments = |all: &[Vec<f32>]| params.clone().eq(all.iter().map(Vec::len));
        let fits = moments(&state.first) && moments(&state.second);
        (!fits).then(|| "its moments have other shapes".into())
    });
    reason.map_or(Ok(()), |reason| Err(InvalidStep::State(reason)))
}
