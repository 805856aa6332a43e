//! Shared bookkeeping of forward and backward enumeration.

use assay_kernel::AttentionShape;

use super::linear::TapedLinear;
use super::{BatchShape, Graph, Input, Node, Op, Purpose, Tensor, TensorId, TrainSettings};
use crate::adapter::{Method, ParamInfo};
use crate::config::ModelConfig;
use crate::spec::ModelSpec;
use crate::storage::Precision;
use crate::target::Target;
use assay_graph::WeightId;

/// A forward operator as backward sees it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Taped {
    Embedding {
        table: TensorId,
        y: TensorId,
    },
    Norm {
        x: TensorId,
        weight: TensorId,
        inverse: TensorId,
        y: TensorId,
    },
    Linear(TapedLinear),
    Rope {
        x: TensorId,
        heads: usize,
        y: TensorId,
    },
    Attention {
        q: TensorId,
        k: TensorId,
        v: TensorId,
        probs: TensorId,
        out: TensorId,
    },
    Silu {
        gate: TensorId,
        up: TensorId,
        y: TensorId,
    },
    /// A whole layer, of which only the input is kept.
    Layer {
        layer: usize,
        x: TensorId,
        y: TensorId,
    },
}

pub(super) struct Builder<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) spec: &'a ModelSpec,
    pub(super) method: Option<&'a Method>,
    pub(super) shape: BatchShape,
    pub(super) purpose: Purpose,
    pub(super) precision: Precision,
    pub(super) infos: Vec<ParamInfo>,
    pub(super) tensors: Vec<Tensor>,
    pub(super) nodes: Vec<Node>,
    pub(super) tape: Vec<(Option<u32>, Taped)>,
    /// Whether a tensor depends on one that is trained.
    pub(super) needs_gradient: Vec<bool>,
    /// The rounded form of a tensor that backward reads.
    pub(super) kept: Vec<Option<TensorId>>,
    pub(super) weights: Vec<TensorId>,
    pub(super) params: Vec<TensorId>,
    pub(super) layer: Option<u32>,
    /// The projection that is being enumerated.
    pub(super) site: Option<(u32, Target)>,
    /// The micro-batch that is being enumerated.
    pub(super) micro: u32,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        config: &'a ModelConfig,
        spec: &'a ModelSpec,
        method: Option<&'a Method>,
        shape: BatchShape,
        purpose: Purpose,
        precision: Precision,
    ) -> Self {
        Self {
            config,
            spec,
            method,
            shape,
            purpose,
            precision,
            infos: method.map(|m| m.params(config)).unwrap_or_default(),
            tensors: Vec::new(),
            nodes: Vec::new(),
            tape: Vec::new(),
            needs_gradient: Vec::new(),
            kept: Vec::new(),
            weights: Vec::new(),
            params: Vec::new(),
            layer: None,
            site: None,
            micro: 0,
        }
    }

    pub(super) fn build(mut self) -> Graph {
        let inputs = self.declare_inputs();
        let results = match self.purpose {
            Purpose::Logits | Purpose::Next { .. } => vec![self.forward(&inputs)],
            Purpose::Loss => {
                let logits = self.forward(&inputs);
                let op = Op::CrossEntropy { gradient: false };
                let read = [logits, inputs.labels[0], inputs.all_labels];
                let losses = self.emit(op, &read, &[(self.positions(), 1)]);
                let sum = self.emit(Op::Sum, &[losses[0]], &[(1, 1)]);
                vec![sum[0]]
            }
            Purpose::Gradients => {
                let (loss, gradients) = self.differentiate(&inputs);
                let all = gradients.into_iter().map(|(_, gradient)| gradient);
                [loss].into_iter().chain(all).collect()
            }
            Purpose::Train(settings) => {
                let (loss, gradients) = self.differentiate(&inputs);
                let powers = self.optimise(&settings, &inputs, gradients);
                vec![loss, powers]
            }
        };
        let mut graph = Graph {
            tensors: self.tensors,
            nodes: self.nodes,
            results,
            shape: self.shape,
            micro_batches: inputs.ids.len(),
            constants: 0,
        };
        graph.drop_unread();
        if inputs.cache.is_some() {
            graph.hoist_constants();
        }
        graph
    }

    /// The settings of a training step, if this is one.
    pub(super) fn settings(&self) -> Option<TrainSettings> {
        match self.purpose {
            Purpose::Train(settings) => Some(settings),
            _ => None,
        }
    }

    pub(super) fn positions(&self) -> usize {
        self.shape.positions()
    }

    pub(super) fn attention_shape(&self) -> AttentionShape {
        AttentionShape {
            batch: self.shape.batch,
            seq: self.shape.seq,
            heads: self.config.num_attention_heads,
            kv_heads: self.config.num_key_value_heads,
            head_dim: self.config.head_dim,
        }
    }

    /// `1 / sqrt(head_dim)`.
    pub(super) fn attention_scale(&self) -> f32 {
        1.0 / (self.config.head_dim as f32).sqrt()
    }

    fn declare(&mut self, input: Input, rows: usize, cols: usize) -> TensorId {
        self.tensor(rows, cols, Some(input))
    }

    fn declare_inputs(&mut self) -> Inputs {
        let spec = self.spec;
        for (i, info) in spec.weights().iter().enumerate() {
            let (rows, cols) = info.matrix();
            let id = self.declare(Input::Weight(WeightId(i as u32)), rows, cols);
            self.weights.push(id);
        }
        let (positions, half) = (self.positions(), self.config.head_dim / 2);
        let cos = self.declare(Input::RopeCos, self.shape.seq, half);
        let sin = self.declare(Input::RopeSin, self.shape.seq, half);
        let micro_batches = self
            .settings()
            .map_or(1, |s| s.gradient_accumulation_steps.max(1));
        let (mut ids, mut labels) = (Vec::new(), Vec::new());
        for k in 0..micro_batches {
            ids.push(self.declare(Input::Ids(k), positions, 1));
            labels.push(self.declare(Input::Labels(k), positions, 1));
        }
        let all_labels = match labels[..] {
            [only] => only,
            _ => self.declare(Input::AllLabels, positions * labels.len(), 1),
        };
        let noise = self.declare(Input::Noise, 0, 0);
        let rate = self.declare(Input::LearningRate, 1, 1);
        let powers = self.declare(Input::Powers, 1, 2);
        let cache = match self.purpose {
            Purpose::Next { context } => Some(self.declare_cache(context)),
            _ => None,
        };
        let infos = std::mem::take(&mut self.infos);
        let numbered = || (0u32..).zip(&infos);
        for (i, info) in numbered() {
            let id = self.declare(Input::Param(i), info.rows, info.cols);
            self.needs_gradient[id.0 as usize] = info.is_trained();
            self.params.push(id);
        }
        let (mut first, mut second) = (Vec::new(), Vec::new());
        if matches!(self.purpose, Purpose::Train(_)) {
            let mut moments = |make: fn(u32) -> Input| -> Vec<TensorId> {
                let one = |(i, info): (u32, &ParamInfo)| match info.is_trained() {
                    true => self.declare(make(i), info.rows, info.cols),
                    false => self.declare(make(i), 0, 0),
                };
                numbered().map(one).collect()
            };
            first = moments(Input::First);
            second = moments(Input::Second);
        }
        self.infos = infos;
        Inputs {
            cos,
            sin,
            ids,
            labels,
            all_labels,
            noise,
            rate,
            powers,
            first,
            second,
            cache,
        }
    }

    fn declare_cache(&mut self, context: usize) -> Cache {
        let width = self.config.key_width();
        let past = self.declare(Input::Past, 0, 0);
        let layers = 0..self.config.num_hidden_layers as u32;
        let layer = |i| {
            let keys = self.declare(Input::Keys(i), context, width);
            (keys, self.declare(Input::Values(i), context, width))
        };
        Cache {
            past,
            layers: layers.map(layer).collect(),
        }
    }

    fn tensor(&mut self, rows: usize, cols: usize, input: Option<Input>) -> TensorId {
        self.tensors.push(Tensor { rows, cols, input });
        self.needs_gradient.push(false);
        self.kept.push(None);
        TensorId(self.tensors.len() as u32 - 1)
    }

    /// Appends a node; returns its outputs, of the shapes given.
    pub(super) fn emit(
        &mut self,
        op: Op,
        inputs: &[TensorId],
        outputs: &[(usize, usize)],
    ) -> Vec<TensorId> {
        let needs = inputs.iter().any(|id| self.needs(*id));
        let outputs: Vec<TensorId> = (outputs.iter())
            .map(|(rows, cols)| self.tensor(*rows, *cols, None))
            .collect();
        for id in &outputs {
            self.needs_gradient[id.0 as usize] = needs;
        }
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            layer: self.layer,
            site: self.site.map(|(layer, target)| (layer, target.module())),
        });
        outputs
    }

    /// Appends a node whose only output has the shape of its first input.
    pub(super) fn like(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        let shape = self.shape_of(inputs[0]);
        self.emit(op, inputs, &[shape])[0]
    }

    /// `a b` with transposes, added to `onto` when there is one; of integers where `b` is a frozen
    /// projection of a base whose products are.
    pub(super) fn product(
        &mut self,
        (a, ta): (TensorId, bool),
        (b, tb): (TensorId, bool),
        onto: Option<TensorId>,
    ) -> TensorId {
        let size = |id: TensorId, transposed: bool| {
            let Tensor { rows, cols, .. } = self.tensors[id.0 as usize];
            if transposed {
                (cols, rows)
            } else {
                (rows, cols)
            }
        };
        let shape = (size(a, ta).0, size(b, tb).1);
        let accumulate = onto.is_some();
        let op = match !ta && self.is_quantized(b) {
            true => Op::QuantizedProduct {
                transposed: tb,
                accumulate,
            },
            false => Op::Product { ta, tb, accumulate },
        };
        let inputs: Vec<TensorId> = [a, b].into_iter().chain(onto).collect();
        self.emit(op, &inputs, &[shape])[0]
    }

    /// Whether products by this tensor are of integers.
    fn is_quantized(&self, id: TensorId) -> bool {
        match self.tensors[id.0 as usize].input {
            Some(Input::Weight(id)) => {
                self.precision.computes_in_int8() && self.spec.is_projection(id)
            }
            _ => false,
        }
    }

    pub(super) fn needs(&self, id: TensorId) -> bool {
        self.needs_gradient[id.0 as usize]
    }

    pub(super) fn shape_of(&self, id: TensorId) -> (usize, usize) {
        let Tensor { rows, cols, .. } = self.tensors[id.0 as usize];
        (rows, cols)
    }

    /// A tensor of the model: the trained one where the whole model is trained.
    pub(super) fn weight(&self, id: WeightId) -> TensorId {
        match self.method {
            Some(Method::Full) => self.params[id.index()],
            _ => self.weights[id.index()],
        }
    }

    pub(super) fn tape(&mut self, entry: Taped) {
        self.keep(&entry);
        self.tape.push((self.layer, entry));
    }
}

/// The inputs that are neither weights nor the adapter's.
pub(super) struct Inputs {
    pub(super) cos: TensorId,
    pub(super) sin: TensorId,
    /// One for each micro-batch.
    pub(super) ids: Vec<TensorId>,
    pub(super) labels: Vec<TensorId>,
    pub(super) all_labels: TensorId,
    pub(super) noise: TensorId,
    pub(super) rate: TensorId,
    pub(super) powers: TensorId,
    pub(super) first: Vec<TensorId>,
    pub(super) second: Vec<TensorId>,
    pub(super) cache: Option<Cache>,
}

/// What earlier runs left for the attention of later positions.
pub(super) struct Cache {
    pub(super) past: TensorId,
    /// Keys and values of each layer.
    pub(super) layers: Vec<(TensorId, TensorId)>,
}
