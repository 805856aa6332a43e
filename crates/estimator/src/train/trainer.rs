//! One step.

use std::sync::Arc;

use assay_kernel::{Kernel, Sgd, all_finite, clip_factor};

use super::order::{Batches, Order};
use super::state::{State, check_values};
use crate::data::{Labels, Samples, Shard};
use crate::error::{Fault, TrainError};
use crate::network::{Layout, Tape, Targets, mean, views};
use crate::spec::{Specification, TrainSpec};

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was taken.
    Valid,
    /// It was not, and the state is as it was.
    Invalid(Fault),
}

/// What a step says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The mean loss over the batch before the update, without the proximal term; none where it is not
    /// finite.
    pub loss: Option<f32>,
    /// Rows of the batch.
    pub rows: usize,
    /// Whether the step was taken.
    pub taken: Taken,
}

impl StepReport {
    /// Whether the step was taken.
    pub fn is_valid(&self) -> bool {
        self.taken == Taken::Valid
    }
}

/// Takes steps: `state' = step(state, shard, index)`, the same bits on every machine.
#[derive(Debug)]
pub struct Trainer {
    kernel: Kernel,
    layout: Arc<Layout>,
    training: TrainSpec,
    batches: Batches,
    anchor: Option<Vec<f32>>,
    tape: Tape,
    grad: Vec<f32>,
    /// Parameters and velocity of the step that is being taken.
    next: [Vec<f32>; 2],
}

impl Trainer {
    /// A trainer of one round.
    ///
    /// # Errors
    /// When the specification makes no sense.
    pub fn new(
        kernel: &Kernel,
        specification: &Specification,
        order: Order,
    ) -> Result<Self, TrainError> {
        specification.check()?;
        let layout = Layout::new(&specification.model)?;
        Ok(Self {
            kernel: kernel.clone(),
            training: specification.training.clone(),
            batches: Batches::new(order),
            anchor: None,
            tape: Tape::new(&layout),
            grad: vec![0.0; layout.len()],
            next: Default::default(),
            layout: Arc::new(layout),
        })
    }

    /// Gives the parameters that the round began with, to which the proximal term pulls.
    ///
    /// # Errors
    /// When they are not as many as the model has, or not finite.
    pub fn with_anchor(mut self, anchor: &[f32]) -> Result<Self, TrainError> {
        check_values(anchor, self.layout.len())?;
        self.anchor = Some(anchor.to_vec());
        Ok(self)
    }

    /// Takes step `index` of the round, counted from 0, in place. The learning rate follows from the steps
    /// that the state counts, the rows from the index.
    ///
    /// # Errors
    /// [`TrainError`] when shard or state are not of this model. A step that cannot be taken is no error:
    /// its report says so, and the state is as it was.
    pub fn step(
        &mut self,
        state: &mut State,
        shard: &Shard,
        index: u64,
    ) -> Result<StepReport, TrainError> {
        let samples = shard.samples();
        let count = samples.rows() as u32;
        if count == 0 {
            self.check(state, samples)?;
            return Ok(invalid(None, 0, Fault::EmptyShard));
        }
        let rows = self.batches.rows(count, self.training.batch_size, index);
        self.step_on(state, samples, &rows)
    }

    /// [`Trainer::step`] on rows that the caller names.
    ///
    /// # Errors
    /// As [`Trainer::step`], or when there is no such row.
    pub fn step_on(
        &mut self,
        state: &mut State,
        samples: &Samples,
        rows: &[u32],
    ) -> Result<StepReport, TrainError> {
        self.check(state, samples)?;
        if let Some(row) = rows.iter().find(|row| **row as usize >= samples.rows()) {
            return Err(TrainError::NoRow(*row));
        }
        self.kernel.check_environment()?;
        let next_steps = state.steps.checked_add(1).ok_or(TrainError::Steps)?;
        if rows.is_empty() {
            return Ok(invalid(None, 0, Fault::EmptyShard));
        }
        let kernel = self.kernel.clone();
        let (loss, outcome) = kernel.run(|| self.advance(state, samples, rows));
        if let Err(fault) = outcome {
            return Ok(invalid(loss, rows.len(), fault));
        }
        let [parameters, velocity] = &mut self.next;
        std::mem::swap(&mut state.parameters, parameters);
        std::mem::swap(&mut state.velocity, velocity);
        state.steps = next_steps;
        Ok(StepReport {
            loss,
            rows: rows.len(),
            taken: Taken::Valid,
        })
    }

    /// Computes the next parameters and velocity.
    fn advance(
        &mut self,
        state: &State,
        samples: &Samples,
        rows: &[u32],
    ) -> (Option<f32>, Result<(), Fault>) {
        let loss = match self.gradient(state, samples, rows) {
            Ok(loss) => loss,
            Err((loss, fault)) => return (loss, Err(fault)),
        };
        let kernel = &self.kernel;
        if let Some(anchor) = &self.anchor
            && self.training.proximal > 0.0
        {
            let mut pull = anchor.clone();
            kernel.scale(&mut pull, -1.0);
            kernel.add_assign(&mut pull, &state.parameters);
            kernel.scale(&mut pull, self.training.proximal);
            kernel.add_assign(&mut self.grad, &pull);
        }
        if let Some(most) = self.training.max_grad_norm {
            let tensors = views(&self.layout.params, &self.grad);
            let squares = tensors.map(|tensor| kernel.dot(tensor.values, tensor.values));
            let squares = squares.fold(0.0, |sum, square| sum + square);
            if !squares.is_finite() {
                // An infinite norm would shorten every gradient to nothing.
                return (Some(loss), Err(Fault::Gradient("all parameters".into())));
            }
            kernel.scale(&mut self.grad, clip_factor(squares, most));
        }
        if let Some(tensor) =
            views(&self.layout.params, &self.grad).find(|tensor| !all_finite(tensor.values))
        {
            return (Some(loss), Err(Fault::Gradient(tensor.info.name.clone())));
        }
        let [parameters, velocity] = &mut self.next;
        parameters.clone_from(&state.parameters);
        velocity.clone_from(&state.velocity);
        let settings = Sgd {
            lr: (self.training.schedule).rate(self.training.learning_rate, state.steps),
            momentum: self.training.momentum,
            weight_decay: self.training.weight_decay,
        };
        kernel.sgd(parameters, &self.grad, velocity, &settings);
        match all_finite(parameters) && all_finite(velocity) {
            true => (Some(loss), Ok(())),
            false => (Some(loss), Err(Fault::Update)),
        }
    }

    /// Computes the gradient of the mean loss, and gives that loss.
    fn gradient(
        &mut self,
        state: &State,
        samples: &Samples,
        rows: &[u32],
    ) -> Result<f32, (Option<f32>, Fault)> {
        let (kernel, layout) = (&self.kernel, &self.layout);
        let input = self.tape.input();
        input.clear();
        for row in rows {
            input.extend_from_slice(samples.row(*row as usize));
        }
        let targets = Targets::of(samples, rows.iter().map(|row| *row as usize));
        let (params, count) = (&state.parameters, rows.len());
        let outputs = self.tape.forward(kernel, layout, params, count);
        let outputs = outputs.map_err(|layer| {
            let name = format!("{layer} ({})", layout.layers[layer].name());
            (None, Fault::Output(name))
        })?;
        let losses = layout.loss.gradient(kernel, outputs, &targets);
        let loss = mean(kernel, &losses);
        if !loss.is_finite() {
            return Err((None, Fault::Loss));
        }
        self.tape
            .backward(kernel, layout, params, count, &mut self.grad);
        match views(&layout.params, &self.grad).find(|tensor| !all_finite(tensor.values)) {
            None => Ok(loss),
            Some(tensor) => Err((Some(loss), Fault::Gradient(tensor.info.name.clone()))),
        }
    }

    /// Checks that state and rows are of this model.
    fn check(&self, state: &State, samples: &Samples) -> Result<(), TrainError> {
        check_samples(&self.layout, samples)?;
        if state.layout.digest != self.layout.digest {
            return Err(crate::error::StateError::OtherModel.into());
        }
        match self.training.proximal > 0.0 && self.anchor.is_none() {
            true => Err(TrainError::NoAnchor),
            false => Ok(()),
        }
    }
}

fn invalid(loss: Option<f32>, rows: usize, fault: Fault) -> StepReport {
    StepReport {
        loss,
        rows,
        taken: Taken::Invalid(fault),
    }
}

/// Checks that rows are such as a model takes.
pub(crate) fn check_samples(layout: &Layout, samples: &Samples) -> Result<(), TrainError> {
    let (found, wanted) = (samples.width(), layout.model.features());
    if found != wanted {
        return Err(TrainError::Width { found, wanted });
    }
    let found = match samples.labels() {
        Labels::Values(_) => None,
        Labels::Classes { count, .. } => Some(*count),
    };
    let wanted = layout.model.classes();
    match found == wanted {
        true => Ok(()),
        false => Err(TrainError::Labels {
            found: told(found),
            wanted: told(wanted),
        }),
    }
}

fn told(classes: Option<u32>) -> String {
    classes.map_or_else(|| "numbers".to_owned(), |n| format!("{n} classes"))
}
