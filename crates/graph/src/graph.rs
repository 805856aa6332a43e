//! The step graph: a step as a fixed, enumerated list of kernel operators.
//!
//! Whoever builds one makes the list from public shapes and settings alone, so every machine
//! enumerates the same nodes, and a node's index means the same to a provider and to a judge. The
//! list is in single-assignment form: a tensor is either an input of the step or the output of
//! exactly one node, and nodes read only inputs and outputs of earlier nodes. Re-running one node
//! needs nothing but its inputs ([`run_node`](crate::run_node)).
//!
//! Operators that update in place on the kernel side (accumulating products, rotations, AdamW)
//! take the old value as an input here; [`Plan`](crate::Plan) decides where old and new share
//! memory.

use crate::op::Op;
use crate::tensor::{Input, Node, Tensor, TensorId};

/// The shape of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchShape {
    /// Rows.
    pub batch: usize,
    /// Tokens a row.
    pub seq: usize,
}

impl BatchShape {
    /// Positions in the batch.
    pub fn positions(self) -> usize {
        self.batch * self.seq
    }
}

/// The operators of one step, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Every tensor: the inputs first, then outputs in the order of their nodes.
    pub tensors: Vec<Tensor>,
    /// Every operator, in the order in which they run.
    pub nodes: Vec<Node>,
    /// Tensors that are read after the step: logits or loss, and gradients where asked for.
    pub results: Vec<TensorId>,
    /// The shape of a micro-batch.
    pub shape: BatchShape,
    /// Micro-batches of the step.
    pub micro_batches: usize,
    /// The first so many nodes read nothing but the model and the adapter: where steps follow each
    /// other on the same ones, they need to run only once.
    pub constants: usize,
}

impl Graph {
    /// The shape of all micro-batches together.
    pub fn rows(&self) -> BatchShape {
        BatchShape {
            batch: self.shape.batch * self.micro_batches,
            ..self.shape
        }
    }

    /// The tensor with this id.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0 as usize]
    }

    /// The name of a node's operator with its layer and its part of it, for messages.
    pub fn describe(&self, node: usize) -> String {
        let Some(node) = self.nodes.get(node) else {
            return "none".into();
        };
        match (node.layer, node.site) {
            (_, Some((layer, part))) => {
                format!("{} of layer {layer}, {part}", node.op.name())
            }
            (Some(layer), None) => format!("{} of layer {layer}", node.op.name()),
            (None, None) => node.op.name().to_owned(),
        }
    }

    /// Removes nodes that lead to no result and no update: what a recomputed layer has beyond what
    /// its backward pass reads.
    pub fn drop_unread(&mut self) {
        let mut read = vec![false; self.tensors.len()];
        for id in &self.results {
            read[id.0 as usize] = true;
        }
        let mut kept = vec![false; self.nodes.len()];
        for (node, keep) in self.nodes.iter().zip(&mut kept).rev() {
            let wanted = node.outputs.iter().any(|id| read[id.0 as usize]);
            *keep = wanted || matches!(node.op, Op::AdamW(_));
            for id in node.inputs.iter().filter(|_| *keep) {
                read[id.0 as usize] = true;
            }
        }
        let mut kept = kept.into_iter();
        self.nodes.retain(|_| kept.next().unwrap_or(true));
    }

    /// Moves the nodes that read nothing but the model and the adapter to the front.
    pub fn hoist_constants(&mut self) {
        let constant = |t: &Tensor| matches!(t.input, Some(Input::Weight(_) | Input::Param(_)));
        let mut is_constant: Vec<bool> = self.tensors.iter().map(constant).collect();
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for node in std::mem::take(&mut self.nodes) {
            if node.inputs.iter().all(|id| is_constant[id.0 as usize]) {
                node.outputs
                    .iter()
                    .for_each(|id| is_constant[id.0 as usize] = true);
                first.push(node);
            } else {
                rest.push(node);
            }
        }
        self.constants = first.len();
        self.nodes = first;
        self.nodes.append(&mut rest);
    }

    /// For every node, whether its outputs have to be looked at to notice the first NaN or
    /// infinity of the step: one in any other output leads, through operators that carry it on, to
    /// one in an output that is looked at.
    pub fn watched(&self) -> Vec<bool> {
        let mut carried = vec![false; self.tensors.len()];
        for node in &self.nodes {
            for (i, input) in node.inputs.iter().enumerate() {
                carried[input.0 as usize] |= node.op.carries(i);
            }
        }
        let shown = |node: &Node, k: usize, id: &TensorId| {
            carried[id.0 as usize] || node.op.is_shown_by_first(k)
        };
        let watch = |node: &Node| {
            !node
                .outputs
                .iter()
                .enumerate()
                .all(|(k, id)| shown(node, k, id))
        };
        self.nodes.iter().map(watch).collect()
    }
}
