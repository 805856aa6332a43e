//! The forward pass, from token ids to logits.

use super::builder::{Builder, Inputs, Taped, TapedLora};
use super::node::{Op, TensorId};
use crate::lora::Target;
use crate::spec::WeightId;

impl Builder<'_> {
    /// Enumerates the forward pass; returns the logits, `[positions, vocab]`.
    pub(super) fn forward(&mut self, inputs: &Inputs) -> TensorId {
        let spec = self.spec;
        let (positions, hidden) = (self.positions(), self.config.hidden_size);
        let table = self.weight(spec.embedding);
        let embedded = [table, inputs.ids];
        let mut stream = self.emit(Op::Embedding, &embedded, &[(positions, hidden)])[0];
        for layer in 0..self.config.num_hidden_layers {
            self.layer = Some(layer as u32);
            stream = self.attention_block(layer, stream, inputs);
            stream = self.feed_forward_block(layer, stream);
        }
        self.layer = None;
        let last = self.norm(stream, spec.norm);
        let head = self.weight(spec.head);
        self.linear(last, head, None, None, None)
    }

    fn attention_block(&mut self, layer: usize, stream: TensorId, inputs: &Inputs) -> TensorId {
        let spec = &self.spec.layers[layer];
        let (heads, kv) = (
            self.config.num_attention_heads,
            self.config.num_key_value_heads,
        );
        let x = self.norm(stream, spec.input_norm);
        let q = self.project(layer, Target::QProj, x, None);
        let k = self.project(layer, Target::KProj, x, None);
        let v = self.project(layer, Target::VProj, x, None);
        let q = self.rotate(q, heads, inputs);
        let k = self.rotate(k, kv, inputs);
        let out = self.attend(q, k, v);
        self.project(layer, Target::OProj, out, Some(stream))
    }

    fn feed_forward_block(&mut self, layer: usize, stream: TensorId) -> TensorId {
        let spec = &self.spec.layers[layer];
        let x = self.norm(stream, spec.post_attention_norm);
        let gate = self.project(layer, Target::GateProj, x, None);
        let up = self.project(layer, Target::UpProj, x, None);
        let y = self.emit(Op::SiluMul, &[gate, up], &[self.shape_of(gate)])[0];
        self.tape(Taped::Silu { gate, up, y });
        self.project(layer, Target::DownProj, y, Some(stream))
    }

    fn norm(&mut self, x: TensorId, weight: WeightId) -> TensorId {
        let eps = self.config.rms_norm_eps;
        let weight = self.weight(weight);
        let (rows, cols) = self.shape_of(x);
        let out = self.emit(
            Op::RmsNorm { eps },
            &[x, weight],
            &[(rows, cols), (rows, 1)],
        );
        let (y, inverse) = (out[0], out[1]);
        self.tape(Taped::Norm {
            x,
            weight,
            inverse,
            y,
        });
        y
    }

    /// A projection of a layer with its bias, its adapter, and the residual it is added to.
    fn project(
        &mut self,
        layer: usize,
        target: Target,
        x: TensorId,
        residual: Option<TensorId>,
    ) -> TensorId {
        let linear = self.spec.layers[layer].linear(target);
        let bias = linear.bias.map(|id| self.weight(id));
        let adapted = self.lora.and_then(|lora| {
            let slot = lora.target_modules().position(|t| t == target)?;
            let per_layer = lora.target_modules().count();
            let index = 2 * (layer * per_layer + slot);
            Some((self.params[index], self.params[index + 1], lora.scale()))
        });
        let weight = self.weight(linear.weight);
        self.linear(x, weight, bias, adapted, residual)
    }

    fn linear(
        &mut self,
        x: TensorId,
        weight: TensorId,
        bias: Option<TensorId>,
        adapted: Option<(TensorId, TensorId, f32)>,
        residual: Option<TensorId>,
    ) -> TensorId {
        let mut y = self.product((x, false), (weight, true), residual);
        if let Some(bias) = bias {
            y = self.emit(Op::AddBias, &[y, bias], &[self.shape_of(y)])[0];
        }
        let lora = adapted.map(|(a, b, factor)| {
            let down = self.product((x, false), (a, true), None);
            let op = Op::Scale { factor };
            let scaled = self.emit(op, &[down], &[self.shape_of(down)])[0];
            y = self.product((scaled, false), (b, true), Some(y));
            TapedLora { a, b, scaled }
        });
        self.tape(Taped::Linear {
            x,
            weight,
            lora,
            residual,
            y,
        });
        y
    }

    fn rotate(&mut self, x: TensorId, heads: usize, inputs: &Inputs) -> TensorId {
        let op = Op::Rope {
            heads,
            inverse: false,
        };
        let y = self.emit(op, &[x, inputs.cos, inputs.sin], &[self.shape_of(x)])[0];
        self.tape(Taped::Rope { x, heads, y });
        y
    }

    fn attend(&mut self, q: TensorId, k: TensorId, v: TensorId) -> TensorId {
        let shape = self.attention_shape();
        let op = Op::Attention {
            shape,
            scale: self.attention_scale(),
        };
        let probs = (shape.batch * shape.heads * shape.seq, shape.seq);
        let outputs = self.emit(op, &[q, k, v], &[self.shape_of(q), probs]);
        let (out, probs) = (outputs[0], outputs[1]);
        self.tape(Taped::Attention {
            q,
            k,
            v,
            probs,
            out,
        });
        out
    }

    fn tape(&mut self, entry: Taped) {
        self.tape.push((self.layer, entry));
    }
}
