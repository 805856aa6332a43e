//! Who runs which node of a step.
//!
//! The rule follows from what a node reads. The requester has every node outside the layers
//! (embedding, final norm, output, loss, optimiser) and, inside them, the nodes that read a trained
//! tensor or make its gradient. The provider has the rest: what the frozen decoder, A and B do. A
//! value is rounded for the backward pass by whoever reads it there, so rounding sends nothing.

use std::sync::Arc;

use assay_crypto::{Digest, Hasher};
use assay_model::{
    BatchShape, Graph, Input, Method, ModelConfig, Node, Op, ParamInfo, PrivateLoraConfig, Purpose,
    TensorId, build_graph,
};

use crate::error::SetupError;

/// One of the two parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Holds embedding, final norm, output matrix, M, its optimiser, tokens and labels.
    Requester,
    /// Holds the frozen decoder layers, A and B.
    Provider,
}

impl Side {
    /// The other party.
    pub fn other(self) -> Self {
        match self {
            Self::Requester => Self::Provider,
            Self::Provider => Self::Requester,
        }
    }
}

/// A PrivateLoRA step with an owner for every node, and the tensors that cross.
///
/// Both parties make it from the same settings, and the tensors that cross are known before the
/// first byte does.
#[derive(Debug)]
pub struct Split {
    graph: Arc<Graph>,
    owners: Vec<Side>,
    to_provider: Vec<TensorId>,
    to_requester: Vec<TensorId>,
    config: ModelConfig,
    method: Method,
    purpose: Purpose,
}

impl Split {
    /// Splits a step.
    ///
    /// # Errors
    /// When the batch cannot be computed, the purpose has no split form
    /// ([`Purpose::Gradients`] and [`Purpose::Next`]), or the provider would read what only the requester may hold.
    pub fn new(
        config: &ModelConfig,
        method: &PrivateLoraConfig,
        shape: BatchShape,
        purpose: Purpose,
    ) -> Result<Self, SetupError> {
        if !has_split_form(purpose) {
            return Err(SetupError::Purpose);
        }
        let method = Method::PrivateLora(method.clone());
        let graph = build_graph(config, Some(&method), shape, purpose)?;
        let params = method.params(config);
        let owners = owners(&graph, &params);
        for (node, owner) in graph.nodes.iter().zip(&owners) {
            let mut inputs = node.inputs.iter().filter_map(|id| graph.tensor(*id).input);
            if *owner == Side::Provider
                && let Some(input) = inputs.find(|i| !may_hold(config, &params, *i))
            {
                return Err(SetupError::NotForProvider(input));
            }
        }
        let to_provider = crossings(&graph, &owners, Side::Provider);
        let to_requester = crossings(&graph, &owners, Side::Requester);
        Ok(Self {
            graph: Arc::new(graph),
            owners,
            to_provider,
            to_requester,
            config: config.clone(),
            method,
            purpose,
        })
    }

    /// The step.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The owner of each node, in the order of the graph.
    pub fn owners(&self) -> &[Side] {
        &self.owners
    }

    /// The tensors that `side` is sent, in the order in which they come.
    pub fn received_by(&self, side: Side) -> &[TensorId] {
        match side {
            Side::Provider => &self.to_provider,
            Side::Requester => &self.to_requester,
        }
    }

    /// The longest message of the step, in bytes: what a transport has to let through.
    pub fn longest_message(&self) -> usize {
        let crossing = self.to_provider.iter().chain(&self.to_requester);
        let values = crossing.map(|id| self.graph.tensor(*id).values()).max();
        crate::wire::HEADER + 4 * values.unwrap_or(0)
    }

    /// A digest of all that the provider must know of the step: its operators with their settings,
    /// inputs and outputs, every shape among them, and the tensors that cross. Two programs for which
    /// it is equal compute the same provider's part and exchange the same messages. The requester's
    /// operators do not enter, so it says nothing of the optimiser.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new("assay/split/v1");
        let mut tensor = |id: &TensorId| {
            let tensor = self.graph.tensor(*id);
            let fields = (id.0, tensor.rows, tensor.cols, tensor.input);
            hasher.part(format!("{fields:?}").as_bytes());
        };
        self.to_provider.iter().for_each(&mut tensor);
        self.to_requester.iter().for_each(&mut tensor);
        let owned = self.graph.nodes.iter().zip(&self.owners);
        for (node, _) in owned.clone().filter(|(_, o)| **o == Side::Provider) {
            node.inputs
                .iter()
                .chain(&node.outputs)
                .for_each(&mut tensor);
        }
        for (node, _) in owned.filter(|(_, o)| **o == Side::Provider) {
            let fields = (node.op, &node.inputs, &node.outputs);
            hasher.part(format!("{fields:?}").as_bytes());
        }
        hasher.finish()
    }

    /// The most memory that the values of a step can take with the provider, in bytes: every tensor
    /// of a micro-batch that it makes or is sent, as if none were ever freed.
    pub fn provider_bytes(&self) -> u64 {
        let owned = self.graph.nodes.iter().zip(&self.owners);
        let made = owned.filter(|(_, owner)| **owner == Side::Provider);
        let made = made.flat_map(|(node, _)| &node.outputs);
        let values = |id: &TensorId| self.graph.tensor(*id).values() as u64;
        let all: u64 = made.chain(&self.to_provider).map(values).sum();
        4 * all / self.graph.micro_batches.max(1) as u64
    }

    /// The inputs of the step that a side's nodes read, each once.
    pub fn inputs_of(&self, side: Side) -> Vec<Input> {
        let owned = self.graph.nodes.iter().zip(&self.owners);
        let nodes = owned.filter(|(_, owner)| **owner == side);
        let ids = nodes.flat_map(|(node, _)| &node.inputs);
        let mut found = Vec::new();
        for input in ids.filter_map(|id| self.graph.tensor(*id).input) {
            if !found.contains(&input) {
                found.push(input);
            }
        }
        found
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The method, always [`Method::PrivateLora`].
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// What the step computes.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }
}

/// Training steps, losses and logits can be split.
pub(crate) fn has_split_form(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Train(_) | Purpose::Loss | Purpose::Logits)
}

/// The owner of each node.
fn owners(graph: &Graph, params: &[ParamInfo]) -> Vec<Side> {
    let mut reader = vec![None; graph.tensors.len()];
    let mut owners = Vec::with_capacity(graph.nodes.len());
    // Backwards, so that the readers of a node's output come first.
    for node in graph.nodes.iter().rev() {
        let side = match (node.op, node.outputs.first()) {
            (Op::RoundBf16, Some(id)) => reader[id.0 as usize],
            _ => None,
        };
        let side = side.unwrap_or_else(|| owner(graph, params, node));
        for id in &node.inputs {
            reader[id.0 as usize] = Some(side);
        }
        owners.push(side);
    }
    owners.reverse();
    owners
}

/// The rule of the module's documentation. In a layer of a frozen model the only product with a
/// transposed left side is `dM = dmixed^T scaled`.
fn owner(graph: &Graph, params: &[ParamInfo], node: &Node) -> Side {
    let trained = |id: &TensorId| match graph.tensor(*id).input {
        Some(Input::Param(i)) => params.get(i as usize).is_some_and(ParamInfo::is_trained),
        _ => false,
    };
    let gradient = matches!(node.op, Op::Product { ta: true, .. });
    match node.layer {
        Some(_) if !gradient && !node.inputs.iter().any(trained) => Side::Provider,
        _ => Side::Requester,
    }
}

/// Whether the provider may hold an input: frozen tensors of layers, rotary tables, A and B.
pub(crate) fn may_hold(config: &ModelConfig, params: &[ParamInfo], input: Input) -> bool {
    match input {
        Input::Weight(id) => {
            let spec = assay_model::ModelSpec::new(config);
            let info = spec.weights().get(id.0 as usize);
            info.is_some_and(|info| info.name.starts_with("model.layers."))
        }
        Input::RopeCos | Input::RopeSin => true,
        Input::Param(i) => params.get(i as usize).is_some_and(|p| !p.is_trained()),
        _ => false,
    }
}

/// The tensors that `to` reads and the other side makes, in the order in which they are made.
fn crossings(graph: &Graph, owners: &[Side], to: Side) -> Vec<TensorId> {
    let mut read = vec![false; graph.tensors.len()];
    for (node, _) in graph.nodes.iter().zip(owners).filter(|(_, o)| **o == to) {
        for id in &node.inputs {
            read[id.0 as usize] = true;
        }
    }
    let made = graph.nodes.iter().zip(owners).filter(|(_, o)| **o != to);
    let outputs = made.flat_map(|(node, _)| &node.outputs);
    outputs.filter(|id| read[id.0 as usize]).copied().collect()
}
