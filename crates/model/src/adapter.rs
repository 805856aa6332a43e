//! LoRA adapters.

use assay_kernel::random::Stream;

use crate::config::ModelConfig;
use crate::lora::{Factor, LoraConfig, ParamInfo};

/// The purpose under which initial A matrices are drawn from the job's seed.
pub const LORA_INIT_PURPOSE: u32 = 2;

/// A trainable matrix and its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name and shape.
    pub info: ParamInfo,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

/// The matrices of a LoRA adapter, in the order of [`LoraConfig::params`].
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    pub(crate) config: LoraConfig,
    pub(crate) params: Vec<Param>,
}

impl Adapter {
    /// A fresh adapter: A uniform in `±1 / sqrt(in)`, which is what PEFT's
    /// `kaiming_uniform_(a = sqrt(5))` amounts to, B zero. Matrix i of the list is drawn from the
    /// stream `(seed, LORA_INIT_PURPOSE, i)`.
    pub fn init(model: &ModelConfig, config: &LoraConfig, seed: &[u8; 32]) -> Self {
        let draw = |(index, info): (usize, ParamInfo)| {
            let values = match info.factor {
                Factor::B => vec![0.0; info.values()],
                Factor::A => {
                    let bound = 1.0 / (info.cols as f32).sqrt();
                    let mut stream = Stream::new(seed, LORA_INIT_PURPOSE, index as u64);
                    let value = |_| stream.uniform(-bound, bound);
                    (0..info.values()).map(value).collect()
                }
            };
            Param { info, values }
        };
        let params = config.params(model);
        Self {
            config: config.clone(),
            params: params.into_iter().enumerate().map(draw).collect(),
        }
    }

    /// Its settings.
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// Its matrices.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Its matrices, to change. The shapes must stay.
    pub fn params_mut(&mut self) -> &mut [Param] {
        &mut self.params
    }

    /// How many values are trained.
    pub fn values(&self) -> usize {
        self.params.iter().map(|p| p.values.len()).sum()
    }

    /// What keeps this adapter from having these settings and matrices, if anything does.
    pub(crate) fn mismatch(&self, config: &LoraConfig, expected: &[ParamInfo]) -> Option<String> {
        if self.config != *config {
            return Some("its r, lora_alpha or target_modules differ".into());
        }
        if expected.len() != self.params.len() {
            return Some(format!(
                "it has {} matrices, not {}",
                self.params.len(),
                expected.len()
            ));
        }
        let differs = |(param, info): (&Param, &ParamInfo)| {
            let same = param.info == *info && param.values.len() == info.values();
            (!same).then(|| {
                format!(
                    "matrix {} should be {} x {}",
                    info.name, info.rows, info.cols
                )
            })
        };
        self.params.iter().zip(expected).find_map(differs)
    }
}
