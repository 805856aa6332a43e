//! The tensors that a method trains on a model.

use assay_crypto::Digest;

use super::lora::LoraConfig;
use super::method::Method;
use crate::config::ModelConfig;
use crate::spec::ModelSpec;
use crate::target::Target;
use assay_graph::WeightId;

/// What a tensor holds before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
    /// Uniform in `±1 / sqrt(columns)`, which is what PEFT's `kaiming_uniform_(a = sqrt(5))` of a
    /// linear layer amounts to.
    Kaiming,
    /// A tensor of the base.
    Weight(WeightId),
    /// The lengths of the rows of a matrix of the base.
    RowNorms(WeightId),
}

/// How the optimiser treats a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// It stays as it is.
    Frozen,
    /// Trained, with weight decay.
    Decayed,
    /// Trained, with weight decay, at the rate that LoRA+ gives to B.
    DecayedUp,
    /// Trained without weight decay: biases and the weights of norms.
    Plain,
}

/// A tensor of an adapter; vectors are matrices of one row or one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamInfo {
    /// Its key in PEFT's `adapter_model.safetensors`, or in the model's own files.
    pub name: String,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// What it holds before the first step.
    pub init: Init,
    /// How the optimiser treats it.
    pub group: Group,
}

impl ParamInfo {
    /// Values in it.
    pub fn values(&self) -> usize {
        self.rows * self.cols
    }

    /// Whether steps change it.
    pub fn is_trained(&self) -> bool {
        self.group != Group::Frozen
    }
}

impl Method {
    /// The method's tensors on a model: layers ascending, projections in layer order, and for each
    /// LoRA `A [r, in]`, `B [out, r]` and with DoRA the lengths `[1, out]`; (IA)3 its factors,
    /// `[out, 1]` or `[1, in]`; BitFit the bias `[1, out]`; PrivateLoRA `A`, `B` and `M [r, r]`.
    /// [`Method::Full`] has the model's own tensors in their order.
    pub fn params(&self, config: &ModelConfig) -> Vec<ParamInfo> {
        let spec = ModelSpec::new(config);
        if *self == Self::Full {
            return whole(&spec);
        }
        let mut params = Vec::new();
        for layer in 0..config.num_hidden_layers {
            for target in self.targets_at(layer).iter() {
                let site = Site {
                    layer,
                    target,
                    shape: target.shape(config),
                };
                self.params_of(&site, &spec, &mut params);
            }
        }
        params
    }

    /// How many tensors each adapted projection has.
    pub(crate) fn params_per_target(&self) -> usize {
        match self {
            Self::Lora(lora) => 2 + usize::from(lora.use_dora()),
            Self::PrivateLora(_) => 3,
            Self::Ia3(_) | Self::BitFit(_) => 1,
            Self::Full => 0,
        }
    }

    fn params_of(&self, site: &Site, spec: &ModelSpec, params: &mut Vec<ParamInfo>) {
        let (out, input) = site.shape;
        let linear = spec.layers[site.layer].linear(site.target);
        match self {
            Self::Lora(lora) => {
                params.extend(factors(
                    site,
                    lora.r_at(site.layer, site.target),
                    Group::Decayed,
                    Group::DecayedUp,
                ));
                params.extend(magnitude(site, lora, linear.weight));
            }
            Self::Ia3(ia3) => {
                let feedforward = ia3
                    .feedforward_modules()
                    .at(site.layer)
                    .contains(site.target);
                let (rows, cols) = if feedforward { (1, input) } else { (out, 1) };
                params.push(ParamInfo {
                    name: site.peft("ia3_l"),
                    rows,
                    cols,
                    init: Init::Ones,
                    group: Group::Decayed,
                });
            }
            Self::BitFit(_) => params.push(ParamInfo {
                name: site.own("bias"),
                rows: 1,
                cols: out,
                init: linear.bias.map_or(Init::Zeros, Init::Weight),
                group: Group::Plain,
            }),
            Self::PrivateLora(private) => {
                let r = private.r();
                let [a, mut b] = factors(site, r, Group::Frozen, Group::Frozen);
                b.init = Init::Kaiming;
                let m = ParamInfo {
                    name: site.peft("private_lora_M.weight"),
                    rows: r,
                    cols: r,
                    init: Init::Zeros,
                    group: Group::Decayed,
                };
                params.extend([a, b, m]);
            }
            Self::Full => {}
        }
    }
}

/// A projection of one layer.
struct Site {
    layer: usize,
    target: Target,
    shape: (usize, usize),
}

impl Site {
    /// A key in the model's own files.
    fn own(&self, rest: &str) -> String {
        let (layer, module) = (self.layer, self.target.module());
        format!("model.layers.{layer}.{module}.{rest}")
    }

    /// A key in PEFT's files.
    fn peft(&self, rest: &str) -> String {
        format!("base_model.model.{}", self.own(rest))
    }
}

fn factors(site: &Site, r: usize, down: Group, up: Group) -> [ParamInfo; 2] {
    let (out, input) = site.shape;
    let a = ParamInfo {
        name: site.peft("lora_A.weight"),
        rows: r,
        cols: input,
        init: Init::Kaiming,
        group: down,
    };
    let b = ParamInfo {
        name: site.peft("lora_B.weight"),
        rows: out,
        cols: r,
        init: Init::Zeros,
        group: up,
    };
    [a, b]
}

fn magnitude(site: &Site, lora: &LoraConfig, weight: WeightId) -> Option<ParamInfo> {
    lora.use_dora().then(|| ParamInfo {
        name: site.peft("lora_magnitude_vector"),
        rows: 1,
        cols: site.shape.0,
        init: Init::RowNorms(weight),
        group: Group::DecayedUp,
    })
}

/// Every tensor of the model.
fn whole(spec: &ModelSpec) -> Vec<ParamInfo> {
    let info = |(id, weight): (u32, &crate::spec::WeightInfo)| {
        let (rows, cols) = weight.matrix();
        let vector = weight.shape.len() == 1;
        ParamInfo {
            name: weight.name.clone(),
            rows,
            cols,
            init: Init::Weight(WeightId(id)),
            group: if vector { Group::Plain } else { Group::Decayed },
        }
    };
    (0..).zip(spec.weights()).map(info).collect()
}

/// A digest of a method's settings and its tensors' names and shapes: equal for two states only if
/// one can stand where the other does.
pub(crate) fn layout_digest(method: &Method, params: &[ParamInfo]) -> Digest {
    let mut list = Vec::new();
    for info in params {
        list.extend_from_slice(&(info.name.len() as u64).to_le_bytes());
        list.extend_from_slice(info.name.as_bytes());
        list.extend_from_slice(&(info.rows as u64).to_le_bytes());
        list.extend_from_slice(&(info.cols as u64).to_le_bytes());
    }
    Digest::of("assay/adapter-layout/v1", &[&method.encode(), &list])
}
