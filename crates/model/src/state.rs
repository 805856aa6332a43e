//! The state of a training run.

use assay_kernel::BiasPowers;

use crate::adapter::{Adapter, Method};
use crate::config::ModelConfig;
use crate::error::InvalidStep;
use crate::graph::Input;

/// Everything a step reads and writes: the adapter, AdamW's moments and running powers, and the
/// number of steps done. With the base, the data and the seed it determines the rest of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainState {
    pub(crate) adapter: Adapter,
    /// First moments, one list per tensor of the adapter; empty for frozen ones.
    pub(crate) first: Vec<Vec<f32>>,
    /// Second moments.
    pub(crate) second: Vec<Vec<f32>>,
    pub(crate) step: u64,
    pub(crate) powers: BiasPowers,
}

impl TrainState {
    /// The state before the first step.
    pub fn new(adapter: Adapter) -> Self {
        let zeros = || (adapter.params.iter()).map(|p| vec![0.0; p.moments()]);
        Self {
            first: zeros().collect(),
            second: zeros().collect(),
            step: 0,
            powers: BiasPowers::START,
            adapter,
        }
    }

    /// The adapter as trained so far.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// The adapter, without the optimiser's memory.
    pub fn into_adapter(self) -> Adapter {
        self.adapter
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The values that a step reads as `input`, if it is part of the state: a tensor of the
    /// adapter, one of its moments, or the running powers.
    pub fn input(&self, input: Input) -> Option<Vec<f32>> {
        match input {
            Input::Param(i) => Some(self.adapter.params.get(i as usize)?.values.clone()),
            Input::First(i) => self.first.get(i as usize).cloned(),
            Input::Second(i) => self.second.get(i as usize).cloned(),
            Input::Powers => Some(vec![self.powers.beta1, self.powers.beta2]),
            _ => None,
        }
    }

    /// Counts a step that was computed elsewhere, given what it changed. On an error nothing
    /// changes.
    ///
    /// # Errors
    /// When a tensor is not part of the state or has another length.
    pub fn advance(&mut self, changed: Vec<(Input, Vec<f32>)>) -> Result<(), InvalidStep> {
        let wrong = |text: &str| InvalidStep::State(text.into());
        for (input, values) in &changed {
            let old = self.input(*input).map(|old| old.len());
            if old != Some(values.len()) {
                return Err(wrong("a changed tensor has another shape"));
            }
        }
        let next = self.step.checked_add(1);
        self.step = next.ok_or_else(|| wrong("it counts more steps than there are"))?;
        for (input, values) in changed {
            match input {
                Input::Param(i) => self.adapter.params[i as usize].values = values,
                Input::First(i) => self.first[i as usize] = values,
                Input::Second(i) => self.second[i as usize] = values,
                _ => {
                    self.powers = BiasPowers {
                        beta1: values[0],
                        beta2: values[1],
                    };
                }
            }
        }
        Ok(())
    }

    /// Whether the step that led from `before` to this state had a gradient, by the first moments:
    /// without one they only decay by `beta1`. A gradient so small that it changes none of them counts
    /// as none.
    pub fn has_learned_since(&self, before: &TrainState, beta1: f32) -> bool {
        let moments = before
            .first
            .iter()
            .flatten()
            .zip(self.first.iter().flatten());
        moments
            .into_iter()
            .any(|(before, now)| *now != beta1 * before)
    }

    /// Checks that the state is one of this method on this model.
    ///
    /// # Errors
    /// [`InvalidStep::State`] says what differs.
    pub fn check(&self, method: &Method, config: &ModelConfig) -> Result<(), InvalidStep> {
        crate::trainer::check_state(self, method, &method.params(config))
    }

    /// Makes `self` equal to `other` without allocating, when their shapes are equal.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        if self.first.len() != other.first.len() {
            *self = other.clone();
            return;
        }
        for (to, from) in self.adapter.params.iter_mut().zip(&other.adapter.params) {
            to.values.clone_from(&from.values);
        }
        self.first.clone_from(&other.first);
        self.second.clone_from(&other.second);
        self.adapter.method.clone_from(&other.adapter.method);
        self.step = other.step;
        self.powers = other.powers;
    }
}
