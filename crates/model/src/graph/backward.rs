//! The backward pass: gradients of the mean loss for the trained tensors only.
//!
//! Frozen tensors get no gradient, and nothing is computed for tensors that no trained one
//! influences (the inputs of the first adapted layer).

use super::builder::{Builder, Inputs, Taped};
use super::{Op, TensorId};

/// The gradient of each tensor so far.
#[derive(Default)]
pub(super) struct Gradients(Vec<Option<TensorId>>);

impl Gradients {
    pub(super) fn of(&self, id: TensorId) -> Option<TensorId> {
        self.0.get(id.0 as usize).copied().flatten()
    }

    fn set(&mut self, id: TensorId, gradient: TensorId) {
        let at = id.0 as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        self.0[at] = Some(gradient);
    }
}

impl Builder<'_> {
    /// Enumerates forward pass, loss and backward pass of every micro-batch; returns the mean loss
    /// and, for every trained tensor, its index and gradient.
    pub(super) fn differentiate(&mut self, inputs: &Inputs) -> (TensorId, Vec<(usize, TensorId)>) {
        let mut gradients = Gradients::default();
        let mut losses = Vec::new();
        for (micro, labels) in inputs.labels.iter().enumerate() {
            self.micro = micro as u32;
            let logits = self.forward(inputs);
            let op = Op::CrossEntropy { gradient: true };
            let read = [logits, *labels, inputs.all_labels];
            let shapes = [(self.positions(), 1), self.shape_of(logits)];
            let outputs = self.emit(op, &read, &shapes);
            losses.push(outputs[0]);
            gradients.set(logits, outputs[1]);
            self.backward(inputs, &mut gradients);
        }
        let mut total = losses[0];
        if losses.len() > 1 {
            let sum = |this: &mut Self, of| this.emit(Op::Sum, &[of], &[(1, 1)])[0];
            total = sum(self, total);
            for more in &losses[1..] {
                let more = sum(self, *more);
                total = self.like(Op::Add, &[total, more]);
            }
        }
        let loss = self.emit(Op::Mean, &[total, inputs.all_labels], &[(1, 1)])[0];
        (loss, self.trained(&gradients))
    }

    /// Walks the tape back.
    fn backward(&mut self, inputs: &Inputs, gradients: &mut Gradients) {
        for (layer, entry) in std::mem::take(&mut self.tape).into_iter().rev() {
            self.layer = layer;
            self.backward_of(entry, inputs, gradients);
        }
        self.layer = None;
    }

    fn backward_of(&mut self, entry: Taped, inputs: &Inputs, gradients: &mut Gradients) {
        match entry {
            Taped::Linear(taped) => {
                self.site = taped.site;
                self.linear_backward(taped, gradients);
                self.site = None;
            }
            Taped::Layer { layer, x, y } => {
                let Some(dy) = gradients.of(y) else { return };
                self.keep_later(x);
                let again = self.forward_layer(layer, x, inputs);
                gradients.set(again, dy);
                self.backward(inputs, gradients);
            }
            Taped::Embedding { table, y } => {
                let Some(dy) = gradients.of(y).filter(|_| self.needs(table)) else {
                    return;
                };
                let read = [dy, inputs.ids[self.micro as usize]];
                let shape = self.shape_of(table);
                let dtable = self.emit(Op::EmbeddingBackward, &read, &[shape])[0];
                self.add_gradient(table, dtable, gradients);
            }
            Taped::Norm {
                x,
                weight,
                inverse,
                y,
            } => {
                let Some(dy) = gradients.of(y).filter(|_| self.needs(y)) else {
                    return;
                };
                let trained = self.needs(weight);
                let read = [dy, self.kept(x), weight, inverse];
                let shapes = [self.shape_of(x), self.shape_of(weight)];
                let op = Op::RmsNormBackward { weight: trained };
                let outputs = self.emit(op, &read, &shapes[..1 + usize::from(trained)]);
                if self.needs(x) {
                    self.add_gradient(x, outputs[0], gradients);
                }
                if trained {
                    self.add_gradient(weight, outputs[1], gradients);
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
                let kept = [q, k, v, probs].map(|id| self.kept(id));
                let read: Vec<TensorId> = [dout].into_iter().chain(kept).collect();
                let outputs = self.emit(op, &read, &shapes);
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
                let read = [dy, self.kept(gate), self.kept(up)];
                let outputs = self.emit(Op::SiluMulBackward, &read, &[shape; 2]);
                for (of, gradient) in [gate, up].into_iter().zip(outputs) {
                    if self.needs(of) {
                        self.add_gradient(of, gradient, gradients);
                    }
                }
            }
        }
    }

    /// Adds `a b` to the gradient of `of`: the product's chain starts from what is there.
    pub(super) fn add_product(
        &mut self,
        of: TensorId,
        a: (TensorId, bool),
        b: (TensorId, bool),
        gradients: &mut Gradients,
    ) {
        let sum = self.product(a, b, gradients.of(of));
        gradients.set(of, sum);
    }

    /// Adds the sums over the rows of `dy` to the gradient of a bias.
    pub(super) fn add_column_sums(
        &mut self,
        of: TensorId,
        dy: TensorId,
        gradients: &mut Gradients,
    ) {
        let old = gradients.of(of);
        let accumulate = old.is_some();
        let read: Vec<TensorId> = [dy].into_iter().chain(old).collect();
        let shape = self.shape_of(of);
        let sums = self.emit(Op::ColumnSums { accumulate }, &read, &[shape])[0];
        gradients.set(of, sums);
    }

    /// Adds the sums over the rows of `a b` to the gradient of a vector of factors.
    pub(super) fn add_column_dots(
        &mut self,
        of: TensorId,
        a: TensorId,
        b: TensorId,
        gradients: &mut Gradients,
    ) {
        let old = gradients.of(of);
        let accumulate = old.is_some();
        let read: Vec<TensorId> = [a, b].into_iter().chain(old).collect();
        let shape = self.shape_of(of);
        let dots = self.emit(Op::ColumnDots { accumulate }, &read, &[shape])[0];
        gradients.set(of, dots);
    }

    pub(super) fn add_gradient(&mut self, of: TensorId, more: TensorId, gradients: &mut Gradients) {
        let sum = match gradients.of(of) {
            None => more,
            Some(old) => self.like(Op::Add, &[old, more]),
        };
        gradients.set(of, sum);
    }

    /// Every trained tensor lies on a path to the loss, so each has a gradient.
    fn trained(&self, gradients: &Gradients) -> Vec<(usize, TensorId)> {
        let all = self.params.iter().enumerate();
        all.filter_map(|(i, param)| Some((i, gradients.of(*param)?)))
            .collect()
    }
}
