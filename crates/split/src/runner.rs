//! Runs single nodes of a step and keeps their outputs until they have been read for the last time.

use std::collections::HashMap;
use std::sync::Arc;

use assay_data::Batch;
use assay_kernel::{Kernel, MatRef, PackedB, all_finite};
use assay_model::{Argument, Graph, Input, InvalidStep, Node, Op, TensorId, Values, run_node};

use crate::holdings::Holdings;

pub(crate) struct Runner {
    kernel: Kernel,
    graph: Arc<Graph>,
    holdings: Holdings,
    /// Right-hand matrices that are frozen, packed for the kernel once.
    packed: HashMap<(TensorId, bool), PackedB>,
    /// For each tensor how often it is read here in a step.
    reads: Vec<u32>,
    /// How often it will still be read.
    left: Vec<u32>,
    values: Vec<Option<Vec<f32>>>,
    batch: Option<Batch>,
}

impl Runner {
    /// A runner of the nodes for which `here` holds. `kept` tensors stay until they are taken out,
    /// once for every time they are listed.
    pub(crate) fn new(
        kernel: &Kernel,
        graph: Arc<Graph>,
        holdings: Holdings,
        here: &[bool],
        kept: &[TensorId],
    ) -> Self {
        let mut reads = vec![0; graph.tensors.len()];
        let mut packed = HashMap::new();
        for (node, _) in graph.nodes.iter().zip(here).filter(|(_, here)| **here) {
            for id in &node.inputs {
                reads[id.0 as usize] += 1;
            }
            if matches!(node.op, Op::AdamW(_)) {
                for id in &node.outputs {
                    reads[id.0 as usize] += 1;
                }
            }
            let (Op::Product { tb, .. }, Some(id)) = (node.op, node.inputs.get(1)) else {
                continue;
            };
            let tensor = graph.tensor(*id);
            if let Some(input @ Input::Weight(_)) = tensor.input
                && let Some(values) = holdings.get(input)
            {
                let matrix = MatRef::row_major(values, tensor.rows, tensor.cols);
                let matrix = if tb { matrix.t() } else { matrix };
                packed
                    .entry((*id, tb))
                    .or_insert_with(|| kernel.pack(matrix));
            }
        }
        for id in kept {
            reads[id.0 as usize] += 1;
        }
        Self {
            kernel: kernel.clone(),
            values: vec![None; graph.tensors.len()],
            left: reads.clone(),
            reads,
            graph,
            holdings,
            packed,
            batch: None,
        }
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Forgets every value of the last step.
    pub(crate) fn reset(&mut self, batch: Option<Batch>) {
        self.values.fill(None);
        self.left.clone_from(&self.reads);
        self.batch = batch;
    }

    /// Puts a value in place that does not come from a node run here.
    pub(crate) fn put(&mut self, id: TensorId, values: Vec<f32>) {
        let at = id.0 as usize;
        if self.left[at] > 0 {
            self.values[at] = Some(values);
        }
    }

    /// Every input that is read here and that `value` has.
    pub(crate) fn put_inputs(&mut self, value: impl Fn(Input) -> Option<Vec<f32>>) {
        let graph = self.graph.clone();
        for (i, tensor) in graph.tensors.iter().enumerate() {
            let Some(input) = tensor.input else { break };
            if self.left[i] > 0
                && self.holdings.get(input).is_none()
                && let Some(values) = value(input)
            {
                self.values[i] = Some(values);
            }
        }
    }

    /// The values of a tensor that is in place.
    pub(crate) fn floats(&self, id: TensorId) -> Option<&[f32]> {
        match (&self.values[id.0 as usize], self.graph.tensor(id).input) {
            (Some(values), _) => Some(values),
            (None, Some(input)) => self.holdings.get(input),
            (None, None) => None,
        }
    }

    /// Whether everything that a node reads is in place.
    pub(crate) fn is_ready(&self, node: &Node) -> bool {
        node.inputs.iter().all(|id| {
            let whole = matches!(
                self.graph.tensor(*id).input,
                Some(Input::Ids(_) | Input::Labels(_) | Input::AllLabels | Input::Noise)
            );
            whole || self.floats(*id).is_some()
        })
    }

    /// Takes a value that one fewer reader now waits for: moved out for the last, else copied.
    pub(crate) fn take(&mut self, id: TensorId) -> Vec<f32> {
        let at = id.0 as usize;
        let last = self.left[at] <= 1;
        let moved = if last { self.values[at].take() } else { None };
        let values = moved.or_else(|| self.floats(id).map(<[f32]>::to_vec));
        self.left[at] = self.left[at].saturating_sub(1);
        values.unwrap_or_default()
    }

    /// Counts a reader as done.
    pub(crate) fn release(&mut self, id: TensorId) {
        let at = id.0 as usize;
        self.left[at] = self.left[at].saturating_sub(1);
        if self.left[at] == 0 {
            self.values[at] = None;
        }
    }

    /// Runs a node for which [`Runner::is_ready`] holds.
    pub(crate) fn run(&mut self, index: usize) -> Result<(), InvalidStep> {
        let graph = self.graph.clone();
        let node = &graph.nodes[index];
        let mut taken = Vec::new();
        let mut outputs: Vec<Vec<f32>> = Vec::with_capacity(node.outputs.len());
        for (k, output) in node.outputs.iter().enumerate() {
            outputs.push(match node.op.updates(k) {
                Some(i) => {
                    taken.push(node.inputs[i]);
                    self.take(node.inputs[i])
                }
                None => vec![0.0; graph.tensor(*output).values()],
            });
        }
        let arguments: Vec<Argument<'_>> = (node.inputs.iter())
            .map(|id| Argument {
                tensor: *graph.tensor(*id),
                values: self.argument(*id),
            })
            .collect();
        let right = match node.op {
            Op::Product { tb, .. } => self.packed.get(&(node.inputs[1], tb)),
            _ => None,
        };
        let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        run_node(&self.kernel, node.op, &arguments, right, &mut slices);
        if !outputs.iter().all(|values| all_finite(values)) {
            let operator = graph.describe(index);
            return Err(InvalidStep::NotFinite {
                node: index,
                operator,
                at: None,
            });
        }
        for id in &node.inputs {
            match taken.iter().position(|t| t == id) {
                Some(at) => drop(taken.swap_remove(at)),
                None => self.release(*id),
            }
        }
        for (id, values) in node.outputs.iter().zip(outputs) {
            self.put(*id, values);
        }
        Ok(())
    }

    fn argument(&self, id: TensorId) -> Values<'_> {
        let tensor = self.graph.tensor(id);
        let part = |k: u32| k as usize * tensor.rows..(k as usize + 1) * tensor.rows;
        match (tensor.input, &self.batch) {
            (Some(Input::Ids(k)), Some(batch)) => Values::Ids(&batch.ids[part(k)]),
            (Some(Input::Labels(k)), Some(batch)) => Values::Labels(&batch.labels[part(k)]),
            (Some(Input::AllLabels), Some(batch)) => Values::Labels(&batch.labels),
            _ => self.floats(id).map_or(Values::InOutput, Values::Floats),
        }
    }

    /// What the optimiser made of the state: pairs of the input it replaces and its new values.
    pub(crate) fn updates(&mut self) -> Vec<(Input, Vec<f32>)> {
        let graph = self.graph.clone();
        let mut changed = Vec::new();
        for node in &graph.nodes {
            if !matches!(node.op, Op::AdamW(_)) {
                continue;
            }
            for (k, output) in node.outputs.iter().enumerate() {
                let old = node.op.updates(k).map(|i| node.inputs[i]);
                if let Some(input) = old.and_then(|old| graph.tensor(old).input) {
                    changed.push((input, self.take(*output)));
                }
            }
        }
        changed
    }
}
