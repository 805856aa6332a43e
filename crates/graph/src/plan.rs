//! Where each tensor lies in memory.

use crate::graph::Graph;
use crate::op::Op;
use crate::tensor::{Input, TensorId};

/// The memory of a step, decided before it runs: which buffer holds each tensor, and how large the
/// buffers are. Buffers are reused once a tensor has been read for the last time, and operators
/// that work in place get their old value's buffer.
///
/// The first buffers hold the inputs that a step changes: learning rate, running powers, adapter
/// matrices, first moments, second moments, or keys and values, in the order in which the graph
/// declares them.
///
/// Tensors that were rounded to bfloat16 have buffers of their own, whose values may be held in 2
/// bytes ([`Plan::is_bfloat16`]); a node reads them from buffers into which they are widened before
/// it runs ([`Plan::source`]). An executor that holds them in 4 bytes has the same bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The buffer of each tensor; none for weights, tables, ids and labels, which nobody writes.
    buffers: Vec<Option<usize>>,
    sizes: Vec<usize>,
    /// Whether each buffer holds rounded tensors.
    bfloat16: Vec<bool>,
    /// For each node the places of its rounded inputs and the buffers they are widened into.
    widened: Vec<Vec<(usize, usize)>>,
    state: Vec<(Input, usize)>,
}

impl Plan {
    /// Plans a graph.
    pub fn new(graph: &Graph) -> Self {
        let mut plan = Self {
            buffers: vec![None; graph.tensors.len()],
            sizes: Vec::new(),
            bfloat16: Vec::new(),
            widened: Vec::with_capacity(graph.nodes.len()),
            state: Vec::new(),
        };
        for (i, tensor) in graph.tensors.iter().enumerate() {
            if let Some(input) = tensor.input
                && is_state(input)
            {
                plan.buffers[i] = Some(plan.sizes.len());
                plan.state.push((input, plan.sizes.len()));
                plan.sizes.push(tensor.values());
                plan.bfloat16.push(false);
            }
        }
        let last_use = last_uses(graph);
        let reserved = plan.sizes.len();
        let mut free: Vec<usize> = Vec::new();
        for (n, node) in graph.nodes.iter().enumerate() {
            for (k, output) in node.outputs.iter().enumerate() {
                let old = node.op.updates(k).map(|i| node.inputs[i]);
                // Only the optimiser and the cache may write over an input.
                let owned =
                    |old: &TensorId| node.op.writes_inputs() || graph.tensor(*old).input.is_none();
                let rounded = node.op == Op::RoundBf16;
                let inherited = old
                    .filter(|old| last_use[old.0 as usize] == n && owned(old))
                    .and_then(|old| plan.buffer(old))
                    .filter(|buffer| plan.bfloat16[*buffer] == rounded);
                let buffer = match inherited {
                    Some(buffer) => buffer,
                    None => plan.allocate(graph.tensor(*output).values(), rounded, &mut free),
                };
                plan.buffers[output.0 as usize] = Some(buffer);
            }
            let mut widened = Vec::new();
            for (i, id) in node.inputs.iter().enumerate() {
                if plan.buffer(*id).is_some_and(|b| plan.bfloat16[b]) {
                    let values = graph.tensor(*id).values();
                    widened.push((i, plan.allocate(values, false, &mut free)));
                }
            }
            free.extend(widened.iter().map(|(_, buffer)| buffer));
            plan.widened.push(widened);
            let taken: Vec<Option<usize>> =
                node.outputs.iter().map(|id| plan.buffer(*id)).collect();
            let mut dead: Vec<usize> = (node.inputs.iter())
                .filter(|id| last_use[id.0 as usize] == n)
                .filter_map(|id| plan.buffer(*id))
                .filter(|buffer| *buffer >= reserved && !taken.contains(&Some(*buffer)))
                .collect();
            // Outputs that nobody reads, such as probabilities when there is no backward pass.
            let unread = node
                .outputs
                .iter()
                .filter(|id| last_use[id.0 as usize] == n);
            dead.extend(
                unread
                    .filter_map(|id| plan.buffer(*id))
                    .filter(|b| *b >= reserved),
            );
            dead.sort_unstable();
            dead.dedup();
            free.append(&mut dead);
        }
        plan
    }

    /// The buffer of a tensor; none for inputs that no step changes.
    pub fn buffer(&self, id: TensorId) -> Option<usize> {
        self.buffers[id.0 as usize]
    }

    /// Values in each buffer.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Whether a buffer holds tensors that were rounded to bfloat16.
    pub fn is_bfloat16(&self, buffer: usize) -> bool {
        self.bfloat16[buffer]
    }

    /// The places of a node's rounded inputs, and the buffers they are widened into.
    pub fn widened(&self, node: usize) -> &[(usize, usize)] {
        &self.widened[node]
    }

    /// The buffer from which a node reads its input at a place; none for inputs of the step that no
    /// step changes.
    pub fn source(&self, node: usize, place: usize, id: TensorId) -> Option<usize> {
        let widened = self.widened[node].iter().find(|(i, _)| *i == place);
        widened
            .map(|(_, buffer)| *buffer)
            .or_else(|| self.buffer(id))
    }

    /// Bytes of all buffers, those of rounded tensors at 2 bytes a value.
    pub fn bytes(&self) -> usize {
        let buffers = self.sizes.iter().zip(&self.bfloat16);
        let bytes =
            |(values, rounded): (&usize, &bool)| if *rounded { 2 * values } else { 4 * values };
        buffers.map(bytes).sum()
    }

    /// The inputs a step changes, with their buffers.
    pub fn state(&self) -> &[(Input, usize)] {
        &self.state
    }

    /// The best fitting free buffer of at most twice the size, else the largest one of at least half
    /// the size grown, else a new one: a small tensor that lives long must not hold a large buffer.
    fn allocate(&mut self, values: usize, rounded: bool, free: &mut Vec<usize>) -> usize {
        let sizes = &self.sizes;
        let alike = (0..free.len()).filter(|i| self.bfloat16[free[*i]] == rounded);
        let fitting = (alike.clone())
            .filter(|i| (values..=2 * values).contains(&sizes[free[*i]]))
            .min_by_key(|i| sizes[free[*i]]);
        let nearly = || {
            alike
                .filter(|i| (values / 2..values).contains(&sizes[free[*i]]))
                .max_by_key(|i| sizes[free[*i]])
        };
        match fitting.or_else(nearly) {
            Some(i) => {
                let buffer = free.swap_remove(i);
                self.sizes[buffer] = self.sizes[buffer].max(values);
                buffer
            }
            None => {
                self.sizes.push(values);
                self.bfloat16.push(rounded);
                self.sizes.len() - 1
            }
        }
    }
}

fn is_state(input: Input) -> bool {
    matches!(
        input,
        Input::LearningRate
            | Input::Powers
            | Input::Param(_)
            | Input::First(_)
            | Input::Second(_)
            | Input::Keys(_)
            | Input::Values(_)
    )
}

/// For each tensor the last node that reads it, or the node that makes it when none does; results,
/// and what constant nodes make for later ones, live to the end.
fn last_uses(graph: &Graph) -> Vec<usize> {
    let mut last = vec![0; graph.tensors.len()];
    for (n, node) in graph.nodes.iter().enumerate() {
        for id in node.inputs.iter().chain(&node.outputs) {
            last[id.0 as usize] = n;
        }
    }
    for node in &graph.nodes[..graph.constants] {
        for id in &node.outputs {
            if last[id.0 as usize] >= graph.constants {
                last[id.0 as usize] = usize::MAX;
            }
        }
    }
    for id in &graph.results {
        last[id.0 as usize] = usize::MAX;
    }
    last
}
