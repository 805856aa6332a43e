//! The state of a training run.

use assay_crypto::{Digest, merkle};
use assay_kernel::BiasPowers;

use crate::adapter::{Adapter, Method};
use crate::config::ModelConfig;
use crate::digest::tensor_digest;
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

    /// The digest a trace commits to: method and tensor list, step and powers, and the Merkle root
    /// over the tensors (every one of the adapter, then the first moments of the trained ones, then
    /// their second moments), each tensor a Merkle root over tiles of 4,096 values.
    pub fn digest(&self) -> Digest {
        let root = merkle::root(self.tensor_digests());
        let layout = self.adapter.layout_digest();
        let powers = [
            self.powers.beta1.to_le_bytes(),
            self.powers.beta2.to_le_bytes(),
        ];
        let step = self.step.to_le_bytes();
        let parts: [&[u8]; 4] = [
            layout.as_bytes(),
            &step,
            powers.as_flattened(),
            root.as_bytes(),
        ];
        Digest::of("assay/state/v2", &parts)
    }

    /// The leaves under [`TrainState::digest`], named `NAME`, `first:NAME` and `second:NAME`.
    pub fn tensor_digests(&self) -> Vec<Digest> {
        let params = &self.adapter.params;
        let of = |prefix: &str, i: usize, values: &[f32]| {
            let info = &params[i].info;
            tensor_digest(
                &format!("{prefix}{}", info.name),
                info.rows,
                info.cols,
                values,
            )
        };
        let moments = |prefix: &'static str, all: &[Vec<f32>]| -> Vec<Digest> {
            let one = |(i, values): (usize, &Vec<f32>)| of(prefix, i, values);
            let trained = all
                .iter()
                .enumerate()
                .filter(|(i, _)| params[*i].info.is_trained());
            trained.map(one).collect()
        };
        let mut digests: Vec<Digest> = (params.iter().enumerate())
            .map(|(i, param)| of("", i, &param.values))
            .collect();
        digests.extend(moments("first:", &self.first));
        digests.extend(moments("second:", &self.second));
        digests
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
