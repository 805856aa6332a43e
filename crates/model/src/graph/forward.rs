//! The forward pass, from token ids to logits.

use super::builder::{Builder, Inputs, Taped};
use super::linear::Plain;
use super::{Op, TensorId};
use crate::target::Target;
use assay_graph::WeightId;

impl Builder<'_> {
    /// Enumerates the forward pass; returns the logits, `[positions, vocab]`, or with a cache
    /// those of the last position.
    pub(super) fn forward(&mut self, inputs: &Inputs) -> TensorId {
        let spec = self.spec;
        let (positions, hidden) = (self.positions(), self.config.hidden_size);
        let table = self.weight(spec.embedding);
        let embedded = [table, inputs.ids[self.micro as usize]];
        let mut stream = self.emit(Op::Embedding, &embedded, &[(positions, hidden)])[0];
        self.tape(Taped::Embedding { table, y: stream });
        let checkpointing = self.settings().is_some_and(|s| s.gradient_checkpointing);
        for layer in 0..self.config.num_hidden_layers {
            let (x, taped) = (stream, self.tape.len());
            stream = self.forward_layer(layer, x, inputs);
            if checkpointing {
                self.tape.truncate(taped);
                self.tape(Taped::Layer {
                    layer,
                    x,
                    y: stream,
                });
            }
        }
        if inputs.cache.is_some() {
            stream = self.emit(Op::LastRow, &[stream], &[(1, hidden)])[0];
        }
        let x = self.norm(stream, spec.norm);
        self.linear(Plain {
            x,
            weight: self.weight(spec.head),
            bias: None,
            residual: None,
        })
    }

    /// Enumerates one layer; returns the residual stream after it.
    pub(super) fn forward_layer(&mut self, layer: usize, x: TensorId, inputs: &Inputs) -> TensorId {
        self.layer = Some(layer as u32);
        let stream = self.attention_block(layer, x, inputs);
        let stream = self.feed_forward_block(layer, stream, inputs);
        self.layer = None;
        stream
    }

    fn attention_block(&mut self, layer: usize, stream: TensorId, inputs: &Inputs) -> TensorId {
        let spec = &self.spec.layers[layer];
        let (heads, kv) = (
            self.config.num_attention_heads,
            self.config.num_key_value_heads,
        );
        let x = self.norm(stream, spec.input_norm);
        let q = self.project(layer, Target::QProj, x, None, inputs);
        let k = self.project(layer, Target::KProj, x, None, inputs);
        let v = self.project(layer, Target::VProj, x, None, inputs);
        let q = self.rotate(q, heads, inputs);
        let k = self.rotate(k, kv, inputs);
        let out = match &inputs.cache {
            None => self.attend(q, k, v),
            Some(cache) => self.attend_cached(q, k, v, cache.layers[layer], cache.past),
        };
        self.project(layer, Target::OProj, out, Some(stream), inputs)
    }

    fn feed_forward_block(&mut self, layer: usize, stream: TensorId, inputs: &Inputs) -> TensorId {
        let spec = &self.spec.layers[layer];
        let x = self.norm(stream, spec.post_attention_norm);
        let gate = self.project(layer, Target::GateProj, x, None, inputs);
        let up = self.project(layer, Target::UpProj, x, None, inputs);
        let y = self.emit(Op::SiluMul, &[gate, up], &[self.shape_of(gate)])[0];
        self.tape(Taped::Silu { gate, up, y });
        self.project(layer, Target::DownProj, y, Some(stream), inputs)
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

    /// Without a tape: nothing is trained on a cache.
    fn attend_cached(
        &mut self,
        q: TensorId,
        k: TensorId,
        v: TensorId,
        (keys, values): (TensorId, TensorId),
        past: TensorId,
    ) -> TensorId {
        let op = Op::CachedAttention {
            shape: self.attention_shape(),
            scale: self.attention_scale(),
        };
        let shapes = [q, keys, values].map(|id| self.shape_of(id));
        self.emit(op, &[q, k, v, keys, values, past], &shapes)[0]
    }
}
