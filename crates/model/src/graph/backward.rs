//! The backward pass: gradients of the mean loss for the adapter's matrices only.
//!
//! Frozen matrices get no gradient, and nothing is computed for tensors that no adapter matrix
//! influences (the inputs of the first adapted layer).

use super::builder::{Builder, Inputs, Taped, TapedLora};
use super::node::{Op, TensorId};

/// The gradient of each tensor so far.
struct Gradients(Vec<Option<TensorId>>);

impl Gradients {
    fn of(&self, id: TensorId) -> Option<TensorId> {
        self.0.get(id.0 as usize).copied().flatten()
    }

    fn set(&mut self, id: TensorId, gradient: TensorId) {
        self.0[id.0 as usize] = Some(gradient);
    }
}

impl Builder<'_> {
    /// Enumerates loss and backward pass; returns the mean loss and the gradient of every adapter
    /// matrix, in their order.
    pub(super) fn backward(
        &mut self,
        logits: TensorId,
        inputs: &Inputs,
    ) -> (TensorId, Vec<TensorId>) {
        let op = Op::CrossEntropy { gradient: true };
        let shapes = [(self.positions(), 1), self.shape_of(logits)];
        let outputs = self.emit(op, &[logits, inputs.labels], &shapes);
        let (losses, dlogits) = (outputs[0], outputs[1]);
        let loss = self.emit(Op::Mean, &[losses, inputs.labels], &[(1, 1)])[0];
        let mut gradients = Gradients(vec![None; self.tensors.len()]);
        gradients.set(logits, dlogits);
        for (layer, entry) in std::mem::take(&mut self.tape).into_iter().rev() {
            self.layer = layer;
            self.backward_of(entry, inputs, &mut gradients);
        }
        self.layer = None;
        // Every adapter matrix lies on a path to the loss.
        let all = self.params.iter().filter_map(|param| gradients.of(*param));
        (loss, all.collect())
    }

    fn backward_of(&mut self, entry: Taped, inputs: &Inputs, gradients: &mut Gradients) {
        match entry {
            Taped::Norm {
                x,
                weight,
                inverse,
                y,
            } => {
                let Some(dy) = gradients.of(y).filter(|_| self.needs(x)) else {
                    return;
                };
                let read = [dy, x, weight, inverse];
                let dx = self.emit(Op::RmsNormBackward, &read, &[self.shape_of(x)])[0];
                self.add_gradient(x, dx, gradients);
            }
            Taped::Linear {
                x,
                weight,
                lora,
                residual,
                y,
            } => {
                let Some(dy) = gradients.of(y) else { return };
                if self.needs(x) {
                    self.add_product(x, dy, weight, gradients);
                }
                if let Some(lora) = lora {
                    self.lora_backward(x, dy, lora, gradients);
                }
                if let Some(residual) = residual.filter(|r| self.needs(*r)) {
                    self.add_gradient(residual, dy, gradients);
                }
            }
            Taped::Rope { x, heads, y } => {
                let Some(dy) = gradients.of(y).filter(|_| self.needs(x)) else {
                    return;
                };
                let op = Op::Rope {
                    heads,
                    inverse: true,
                };
                let dx = self.emit(op, &[dy, inputs.cos, inputs.sin], &[self.shape_of(x)])[0];
                self.add_gradient(x, dx, gradients);
            }
            Taped::Attention {
                q,
                k,
                v,
                probs,
                out,
            } => {
                let Some(dout) = gradients.of(out).filter(|_| self.needs(out)) else {
                    return;
                };
                let op = Op::AttentionBackward {
                    shape: self.attention_shape(),
                    scale: self.attention_scale(),
                };
                let shapes = [self.shape_of(q), self.shape_of(k), self.shape_of(v)];
                let outputs = self.emit(op, &[dout, q, k, v, probs], &shapes);
                for (of, gradient) in [q, k, v].into_iter().zip(outputs) {
                    if self.needs(of) {
                        self.add_gradient(of, gradient, gradients);
                    }
                }
            }
            Taped::Silu { gate, up, y } => {
                let Some(dy) = gradients.of(y).filter(|_| self.needs(y)) else {
                    return;
                };
                let shape = self.shape_of(gate);
                let outputs = self.emit(Op::SiluMulBackward, &[dy, gate, up], &[shape; 2]);
                for (of, gradient) in [gate, up].into_iter().zip(outputs) {
                    if self.needs(of) {
                        self.add_gradient(of, gradient, gradients);
                    }
                }
            }
        }
    }

    /// With `h = s x A^T` and `y = ... + h B^T`: `dB = dy^T h`, `dA = s (dy B)^T x`,
    /// `dx = ... + s (dy B) A`.
    fn lora_backward(
        &mut self,
        x: TensorId,
        dy: TensorId,
        lora: TapedLora,
        gradients: &mut Gradients,
    ) {
        let db = self.product((dy, true), (lora.scaled, false), None);
        gradients.set(lora.b, db);
        let dscaled = self.product((dy, false), (lora.b, false), None);
        let factor = self.lora.map_or(1.0, |lora| lora.scale());
        let shape = self.shape_of(dscaled);
        let ddown = self.emit(Op::Scale { factor }, &[dscaled], &[shape])[0];
        let da = self.product((ddown, true), (x, false), None);
        gradients.set(lora.a, da);
        if self.needs(x) {
            self.add_product(x, ddown, lora.a, gradients);
        }
    }

    /// Adds `a b` to the gradient of `of`: the product's chain starts from what is there.
    fn add_product(&mut self, of: TensorId, a: TensorId, b: TensorId, gradients: &mut Gradients) {
        let sum = self.product((a, false), (b, false), gradients.of(of));
        gradients.set(of, sum);
    }

    fn add_gradient(&mut self, of: TensorId, more: TensorId, gradients: &mut Gradients) {
        let sum = match gradients.of(of) {
            None => more,
            Some(old) => self.emit(Op::Add, &[old, more], &[self.shape_of(of)])[0],
        };
        gradients.set(of, sum);
    }
}
