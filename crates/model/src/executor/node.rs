//! One node: where its inputs come from, where its outputs go.

use assay_graph::{Argument, MAX_INPUTS, MAX_OUTPUTS, Values, run_node};
use assay_kernel::all_finite;

use super::{Executor, Feed, Observer};
use crate::graph::{Input, Op, TensorId};

impl Executor {
    /// Runs a node; with `watch`, whether all its outputs are finite.
    pub(super) fn run_one(
        &mut self,
        index: usize,
        feed: Feed<'_>,
        watch: bool,
        observer: Option<&mut Observer<'_>>,
    ) -> bool {
        if self.graph.nodes[index].op == Op::RoundBf16 {
            return self.round(index, watch, observer);
        }
        self.widen(index);
        let node = &self.graph.nodes[index];
        for (place, to) in self.plan.widened(index) {
            let id = node.inputs[*place];
            let values = self.graph.tensor(id).values();
            if let Some(from) = self.plan.buffer(id) {
                let to = &mut self.buffers[*to][..values];
                self.kept.widen(&self.kernel, from, to);
            }
        }
        let mut taken: [Vec<f32>; MAX_OUTPUTS] = Default::default();
        for (slot, (k, output)) in taken.iter_mut().zip(node.outputs.iter().enumerate()) {
            let Some(buffer) = self.plan.buffer(*output) else {
                continue;
            };
            *slot = std::mem::take(&mut self.buffers[buffer]);
            let old = node.op.updates(k).map(|i| (i, node.inputs[i]));
            if let Some((i, old)) = old.filter(|old| self.plan.buffer(old.1) != Some(buffer)) {
                let values = self.graph.tensor(old).values();
                let from = match self.plan.source(index, i, old) {
                    Some(from) => &self.buffers[from][..],
                    None => self.outside(old, feed.past),
                };
                slot[..values].copy_from_slice(&from[..values]);
            }
        }
        let mut arguments = [Argument {
            tensor: self.graph.tensors[0],
            values: Values::InOutput,
        }; MAX_INPUTS];
        for (i, (argument, id)) in arguments.iter_mut().zip(&node.inputs).enumerate() {
            let tensor = *self.graph.tensor(*id);
            if let Some(values) = self.integers(index, tensor.input) {
                *argument = Argument { tensor, values };
                continue;
            }
            let values = match (self.plan.source(index, i, *id), tensor.input) {
                (_, Some(Input::Ids(k))) => Values::Ids(micro(feed.ids, k, tensor.rows)),
                (_, Some(Input::Labels(k))) => Values::Labels(micro(feed.labels, k, tensor.rows)),
                (_, Some(Input::AllLabels)) => Values::Labels(feed.labels),
                (_, Some(Input::Past)) => Values::Past(feed.past),
                (_, Some(Input::Noise)) => feed.noise.map_or(Values::InOutput, Values::Noise),
                (None, _) => Values::Floats(self.outside(*id, feed.past)),
                (Some(buffer), _) => match self.buffers[buffer].get(..tensor.values()) {
                    Some(values) => Values::Floats(values),
                    None => Values::InOutput,
                },
            };
            *argument = Argument { tensor, values };
        }
        let count = node.outputs.len();
        let lengths = node
            .outputs
            .iter()
            .map(|id| self.graph.tensor(*id).values());
        let mut outputs: [&mut [f32]; MAX_OUTPUTS] = Default::default();
        for ((output, slot), length) in outputs.iter_mut().zip(&mut taken).zip(lengths) {
            *output = &mut slot[..length];
        }
        let packed = self.packed[index].as_deref();
        let (inputs, outputs) = (&arguments[..node.inputs.len()], &mut outputs[..count]);
        run_node(&self.kernel, node.op, inputs, packed, outputs);
        let finite = !watch || outputs.iter().all(|values| all_finite(values));
        if let Some(observer) = observer {
            let seen: Vec<&[f32]> = outputs.iter().map(|values| &**values).collect();
            observer(index, &seen);
        }
        for (slot, output) in taken.iter_mut().zip(&node.outputs) {
            if let Some(buffer) = self.plan.buffer(*output) {
                self.buffers[buffer] = std::mem::take(slot);
            }
        }
        finite
    }

    /// Runs a node that rounds: its output is held in 2 bytes a value.
    fn round(&mut self, index: usize, watch: bool, observer: Option<&mut Observer<'_>>) -> bool {
        let node = &self.graph.nodes[index];
        let values = self.graph.tensor(node.inputs[0]).values();
        let [from, to] = [node.inputs[0], node.outputs[0]].map(|id| self.plan.buffer(id));
        // Only what a node made is rounded, and that lies in a buffer.
        let (Some(from), Some(to)) = (from, to) else {
            unreachable!("{node:?} rounds an input of the step");
        };
        let x = &self.buffers[from][..values];
        self.kept.round(&self.kernel, x, to);
        let finite = !watch || self.kept.is_finite(to, values);
        if let Some(observer) = observer {
            let mut shown = vec![0.0; values];
            self.kept.widen(&self.kernel, to, &mut shown);
            observer(index, &[&shown]);
        }
        finite
    }

    /// The matrix of a product of integers.
    fn integers(&self, index: usize, input: Option<Input>) -> Option<Values<'_>> {
        let (Op::QuantizedProduct { .. }, Some(Input::Weight(id))) =
            (self.graph.nodes[index].op, input)
        else {
            return None;
        };
        let (values, scales) = self.base.weight_int8(id)?;
        Some(Values::Int8 {
            values,
            scales,
            packed: self.packed_i8[index].as_deref(),
        })
    }

    /// Widens the matrix that a node reads, if one is held in a shorter form; no operator reads two,
    /// and products of integers none.
    fn widen(&mut self, index: usize) {
        if matches!(self.graph.nodes[index].op, Op::QuantizedProduct { .. }) {
            return;
        }
        for id in &self.graph.nodes[index].inputs {
            let tensor = self.graph.tensor(*id);
            let Some(Input::Weight(weight)) = tensor.input else {
                continue;
            };
            let stored = self.base.stored(weight);
            if stored.plain().is_none() {
                self.widened
                    .resize(self.widened.len().max(stored.len()), 0.0);
                stored.widen_into(&mut self.widened[..stored.len()]);
            }
        }
    }

    /// The values of a tensor outside the step's memory.
    fn outside(&self, id: TensorId, past: usize) -> &[f32] {
        let tensor = self.graph.tensor(id);
        let rows = past * tensor.cols..past * tensor.cols + tensor.values();
        match tensor.input {
            Some(Input::Weight(weight)) => match self.base.stored(weight).plain() {
                Some(values) => values,
                None => &self.widened[..tensor.values()],
            },
            Some(Input::RopeCos) => &self.base.rope().cos[rows],
            Some(Input::RopeSin) => &self.base.rope().sin[rows],
            _ => &[],
        }
    }
}

/// The part of a micro-batch.
fn micro<T>(all: &[T], k: u32, positions: usize) -> &[T] {
    &all[k as usize * positions..][..positions]
}
