//! Shared bookkeeping of forward and backward enumeration.

use assay_kernel::AttentionShape;

use super::node::{Input, Node, Op, Tensor, TensorId};
use super::{AdamWConfig, BatchShape, Graph, Purpose};
use crate::config::ModelConfig;
use crate::lora::LoraConfig;
use crate::spec::{ModelSpec, WeightId};

/// A forward operator as backward sees it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Taped {
    Norm {
        x: TensorId,
        weight: TensorId,
        inverse: TensorId,
        y: TensorId,
    },
    /// `y = x W^T (+ bias) (+ s (x A^T) B^T) (+ residual)`.
    Linear {
        x: TensorId,
        weight: TensorId,
        lora: Option<TapedLora>,
        residual: Option<TensorId>,
        y: TensorId,
    },
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
}

/// The adapter's part of a projection; `scaled` is `s x A^T`.
#[derive(Clone, Copy, Debug)]
pub(super) struct TapedLora {
    pub(super) a: TensorId,
    pub(super) b: TensorId,
    pub(super) scaled: TensorId,
}

pub(super) struct Builder<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) spec: &'a ModelSpec,
    pub(super) lora: Option<&'a LoraConfig>,
    pub(super) shape: BatchShape,
    pub(super) tensors: Vec<Tensor>,
    pub(super) nodes: Vec<Node>,
    pub(super) tape: Vec<(Option<u32>, Taped)>,
    /// Whether a tensor depends on an adapter matrix.
    pub(super) needs_gradient: Vec<bool>,
    pub(super) weights: Vec<TensorId>,
    pub(super) params: Vec<TensorId>,
    pub(super) layer: Option<u32>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        config: &'a ModelConfig,
        spec: &'a ModelSpec,
        lora: Option<&'a LoraConfig>,
        shape: BatchShape,
    ) -> Self {
        Self {
            config,
            spec,
            lora,
            shape,
            tensors: Vec::new(),
            nodes: Vec::new(),
            tape: Vec::new(),
            needs_gradient: Vec::new(),
            weights: Vec::new(),
            params: Vec::new(),
            layer: None,
        }
    }

    pub(super) fn build(mut self, purpose: Purpose) -> Graph {
        let inputs = self.declare_inputs(purpose);
        let logits = self.forward(&inputs);
        let results = match purpose {
            Purpose::Logits => vec![logits],
            Purpose::Loss => {
                let op = Op::CrossEntropy { gradient: false };
                let losses = self.emit(op, &[logits, inputs.labels], &[(self.positions(), 1)]);
                let sum = self.emit(Op::Sum, &[losses[0]], &[(1, 1)]);
                vec![sum[0]]
            }
            Purpose::Gradients | Purpose::Train(_) => {
                let (loss, gradients) = self.backward(logits, &inputs);
                match purpose {
                    Purpose::Train(settings) => {
                        let powers = self.optimise(settings, &inputs, &gradients);
                        vec![loss, powers]
                    }
                    _ => [vec![loss], gradients].concat(),
                }
            }
        };
        Graph {
            tensors: self.tensors,
            nodes: self.nodes,
            results,
            shape: self.shape,
        }
    }

    /// AdamW on every adapter matrix; returns the next running powers.
    fn optimise(
        &mut self,
        settings: AdamWConfig,
        inputs: &Inputs,
        gradients: &[TensorId],
    ) -> TensorId {
        let powers = self.emit(Op::NextPowers(settings), &[inputs.powers], &[(1, 2)])[0];
        for (i, gradient) in gradients.iter().enumerate() {
            let (param, first, second) = (self.params[i], inputs.first[i], inputs.second[i]);
            let Tensor { rows, cols, .. } = self.tensors[param.0 as usize];
            let read = [param, *gradient, first, second, powers, inputs.rate];
            self.emit(Op::AdamW(settings), &read, &[(rows, cols); 3]);
        }
        powers
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
        let id = self.tensor(rows, cols, Some(input));
        self.needs_gradient[id.0 as usize] = matches!(input, Input::Param(_));
        id
    }

    fn declare_inputs(&mut self, purpose: Purpose) -> Inputs {
        let spec = self.spec;
        for (i, info) in spec.weights().iter().enumerate() {
            let (rows, cols) = match info.shape[..] {
                [rows, cols] => (rows, cols),
                _ => (1, info.shape[0]),
            };
            let id = self.declare(Input::Weight(WeightId(i as u32)), rows, cols);
            self.weights.push(id);
        }
        let (positions, half) = (self.positions(), self.config.head_dim / 2);
        let cos = self.declare(Input::RopeCos, self.shape.seq, half);
        let sin = self.declare(Input::RopeSin, self.shape.seq, half);
        let ids = self.declare(Input::Ids, positions, 1);
        let labels = self.declare(Input::Labels, positions, 1);
        let rate = self.declare(Input::LearningRate, 1, 1);
        let powers = self.declare(Input::Powers, 1, 2);
        let infos = self
            .lora
            .map(|lora| lora.params(self.config))
            .unwrap_or_default();
        let numbered = || (0u32..).zip(&infos);
        for (i, info) in numbered() {
            let id = self.declare(Input::Param(i), info.rows, info.cols);
            self.params.push(id);
        }
        let (mut first, mut second) = (Vec::new(), Vec::new());
        if matches!(purpose, Purpose::Train(_)) {
            for (i, info) in numbered() {
                first.push(self.declare(Input::First(i), info.rows, info.cols));
            }
            for (i, info) in numbered() {
                second.push(self.declare(Input::Second(i), info.rows, info.cols));
            }
        }
        Inputs {
            cos,
            sin,
            ids,
            labels,
            rate,
            powers,
            first,
            second,
        }
    }

    fn tensor(&mut self, rows: usize, cols: usize, input: Option<Input>) -> TensorId {
        self.tensors.push(Tensor { rows, cols, input });
        self.needs_gradient.push(false);
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
        });
        outputs
    }

    /// `a b` with transposes, added to `onto` when there is one.
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
        let op = Op::Product {
            ta,
            tb,
            accumulate: onto.is_some(),
        };
        let inputs: Vec<TensorId> = [a, b].into_iter().chain(onto).collect();
        self.emit(op, &inputs, &[shape])[0]
    }

    pub(super) fn needs(&self, id: TensorId) -> bool {
        self.needs_gradient[id.0 as usize]
    }

    pub(super) fn shape_of(&self, id: TensorId) -> (usize, usize) {
        let Tensor { rows, cols, .. } = self.tensors[id.0 as usize];
        (rows, cols)
    }

    pub(super) fn weight(&self, id: WeightId) -> TensorId {
        self.weights[id.index()]
    }
}

/// The inputs that are not weights or adapter matrices.
pub(super) struct Inputs {
    pub(super) cos: TensorId,
    pub(super) sin: TensorId,
    pub(super) ids: TensorId,
    pub(super) labels: TensorId,
    pub(super) rate: TensorId,
    pub(super) powers: TensorId,
    pub(super) first: Vec<TensorId>,
    pub(super) second: Vec<TensorId>,
}
