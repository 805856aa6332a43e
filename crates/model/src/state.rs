//! The state of a training run.

use assay_crypto::{Digest, merkle};
use assay_kernel::BiasPowers;

use crate::adapter::Adapter;
use crate::digest::tensor_digest;

/// Everything a step reads and writes: the adapter, AdamW's moments and running powers, and the
/// number of steps done. With the base, the data and the seed it determines the rest of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainState {
    pub(crate) adapter: Adapter,
    /// First moments, one list per matrix of the adapter.
    pub(crate) first: Vec<Vec<f32>>,
    /// Second moments.
    pub(crate) second: Vec<Vec<f32>>,
    pub(crate) step: u64,
    pub(crate) powers: BiasPowers,
}

impl TrainState {
    /// The state before the first step.
    pub fn new(adapter: Adapter) -> Self {
        let zeros = || adapter.params.iter().map(|p| vec![0.0; p.values.len()]);
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

    /// The digest a trace commits to: adapter settings, step and powers, and the Merkle root over
    /// the tensors (every adapter matrix, then every first moment, then every second moment), each
    /// tensor a Merkle root over tiles of 4,096 values.
    pub fn digest(&self) -> Digest {
        let root = merkle::root(self.tensor_digests());
        let config = self.adapter.config();
        let settings = [
            (config.r() as u32).to_le_bytes(),
            config.lora_alpha().to_le_bytes(),
            u32::from(config.target_bits()).to_le_bytes(),
            self.powers.beta1.to_le_bytes(),
            self.powers.beta2.to_le_bytes(),
        ];
        let step = self.step.to_le_bytes();
        let parts: [&[u8]; 3] = [settings.as_flattened(), &step, root.as_bytes()];
        Digest::of("assay/state/v1", &parts)
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
            all.iter().enumerate().map(one).collect()
        };
        let mut digests: Vec<Digest> = (params.iter().enumerate())
            .map(|(i, param)| of("", i, &param.values))
            .collect();
        digests.extend(moments("first:", &self.first));
        digests.extend(moments("second:", &self.second));
        digests
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
        self.adapter.config.clone_from(&other.adapter.config);
        self.step = other.step;
        self.powers = other.powers;
    }
}
