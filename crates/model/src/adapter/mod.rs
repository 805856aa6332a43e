//! Fine-tuned tensors: an adapter, or with [`Method::Full`] the whole model.

mod check;
mod lora;
mod merge;
mod method;
mod names;
mod params;
mod peft;
mod peft_config;
mod select;
mod settings;

use assay_crypto::Digest;
use assay_graph::{Tensors, Whole, tensor_digest};
use assay_kernel::Kernel;
use assay_kernel::random::Stream;

pub use lora::LoraConfig;
pub use merge::{carried_files, merge_note, merged_files};
pub use method::{BitFitConfig, Ia3Config, Method, PrivateLoraConfig};
pub use names::Names;
pub use params::{Group, Init, ParamInfo};
pub use peft::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapter_notes, name_base};
pub use select::{Modules, Selection};
pub use settings::check_settings;

use crate::base::Base;
use crate::config::ModelConfig;
use crate::error::MethodError;

/// The purpose under which initial matrices are drawn from the job's seed.
pub const LORA_INIT_PURPOSE: u32 = 2;

/// A tensor and its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name and shape.
    pub info: ParamInfo,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

impl Param {
    /// How many first or second moments AdamW keeps for it.
    pub(crate) fn moments(&self) -> usize {
        if self.info.is_trained() {
            self.values.len()
        } else {
            0
        }
    }
}

/// The tensors of a method on a model, in the order of [`Method::params`].
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    pub(crate) method: Method,
    pub(crate) params: Vec<Param>,
}

impl Adapter {
    /// A fresh adapter, which changes nothing yet: see [`Init`]. Tensor i of the list is drawn
    /// from the stream `(seed, LORA_INIT_PURPOSE, i)`.
    pub fn init(kernel: &Kernel, base: &Base, method: &Method, seed: &[u8; 32]) -> Self {
        let draw = |(index, info): (usize, ParamInfo)| {
            let values = match info.init {
                Init::Zeros => vec![0.0; info.values()],
                Init::Ones => vec![1.0; info.values()],
                Init::Kaiming => {
                    let bound = 1.0 / (info.cols as f32).sqrt();
                    let mut stream = Stream::new(seed, LORA_INIT_PURPOSE, index as u64);
                    let value = |_| stream.uniform(-bound, bound);
                    (0..info.values()).map(value).collect()
                }
                Init::Weight(id) => base.weight(id).to_vec(),
                Init::RowNorms(id) => {
                    let weight = base.weight(id);
                    let mut norms = vec![0.0; info.values()];
                    kernel.row_norms(&weight, weight.len() / norms.len(), &mut norms);
                    norms
                }
            };
            Param { info, values }
        };
        let params = method.params(base.config());
        Self {
            method: method.clone(),
            params: params.into_iter().enumerate().map(draw).collect(),
        }
    }

    /// The method and its settings.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Its tensors.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Its tensors, to change. The shapes must stay.
    pub fn params_mut(&mut self) -> &mut [Param] {
        &mut self.params
    }

    /// How many values it has.
    pub fn values(&self) -> usize {
        self.params.iter().map(|p| p.values.len()).sum()
    }

    /// How many values are trained.
    pub fn trained_values(&self) -> usize {
        let trained = self.params.iter().filter(|p| p.info.is_trained());
        trained.map(|p| p.values.len()).sum()
    }

    /// The same tensors under the settings that a run goes on with: a finished adapter does not
    /// say what dropout it was trained with.
    ///
    /// # Errors
    /// When anything else differs.
    pub fn resumed_as(mut self, method: &Method) -> Result<Self, MethodError> {
        if let (Method::Lora(own), Method::Lora(other)) = (&self.method, method) {
            self.method = Method::Lora(own.clone().with_dropout_of(other));
        }
        match self.method == *method {
            true => Ok(self),
            false => Err(MethodError::OtherSettings),
        }
    }

    /// A digest of the method, its settings, and every tensor.
    pub fn digest(&self) -> Digest {
        let of = |param: &Param| {
            let ParamInfo {
                name, rows, cols, ..
            } = &param.info;
            tensor_digest(name, *rows, *cols, &param.values)
        };
        let tensors = Tensors {
            head: self.layout_digest().as_bytes().to_vec(),
            digests: self.params.iter().map(of).collect(),
        };
        tensors.digest(Whole::Adapter)
    }

    /// A digest of the method, its settings, and the tensors' names and shapes.
    pub(crate) fn layout_digest(&self) -> Digest {
        let infos: Vec<ParamInfo> = self.params.iter().map(|p| p.info.clone()).collect();
        params::layout_digest(&self.method, &infos)
    }

    /// What keeps this adapter from having this method on a model, if anything does.
    pub(crate) fn mismatch(&self, method: &Method, model: &ModelConfig) -> Option<String> {
        if self.method != *method {
            return Some("its method or settings differ".into());
        }
        self.misfit(&method.params(model))
    }

    /// What keeps this adapter from having these tensors, if anything does.
    pub(crate) fn misfit(&self, expected: &[ParamInfo]) -> Option<String> {
        if expected.len() != self.params.len() {
            return Some(format!(
                "it has {} tensors, not {}",
                self.params.len(),
                expected.len()
            ));
        }
        let differs = |(param, info): (&Param, &ParamInfo)| {
            let same = param.info == *info && param.values.len() == info.values();
            (!same).then(|| {
                format!(
                    "tensor {} should be {} x {}",
                    info.name, info.rows, info.cols
                )
            })
        };
        self.params.iter().zip(expected).find_map(differs)
    }
}

pub(crate) use params::layout_digest;
