//! How much memory a computation takes, told from the model's shape before anything is loaded.
//!
//! Buffers are those of the step's own [`Plan`](crate::Plan). Of a model with many layers only a
//! few are planned: every further one adds the same operators and the same buffers, so the rest is
//! a straight line, and a shape of any size is told in the same short time.

use std::collections::BTreeSet;

use crate::adapter::Method;
use crate::config::ModelConfig;
use crate::error::ShapeError;
use crate::graph::{BatchShape, Graph, Input, Op, Plan, Purpose, build_graph_in};
use crate::spec::ModelSpec;
use crate::storage::{NF4_BLOCK, Precision};
use assay_graph::WeightId;

/// Layers that are planned, where there are more.
const LAYERS: usize = 5;
/// About what an operator takes in the list of a step, with its tensors.
const NODE_BYTES: u64 = 320;

/// Bytes by what they hold, and the arithmetic that is done on them. Sums saturate: what does not fit 64 bits fits no machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// The frozen tensors as they are held, and the matrix that is widened for a product.
    pub weights: u64,
    /// Copies of frozen matrices, packed for products.
    pub packed: u64,
    /// The buffers of one step: activations, logits, gradients, and what the step updates.
    pub step: u64,
    /// The list of the step's operators.
    pub operators: u64,
    /// Steps of arithmetic, about: one for each product that is added up. No bytes.
    pub work: u64,
}

impl Footprint {
    /// What computing `purpose` for batches of a shape takes on a base held in `precision`.
    ///
    /// # Errors
    /// As [`build_graph_in`](crate::build_graph_in).
    pub fn new(
        config: &ModelConfig,
        method: Option<&Method>,
        shape: BatchShape,
        purpose: Purpose,
        precision: Precision,
    ) -> Result<Self, ShapeError> {
        let (purpose, planned_batches, all) = few_micro_batches(purpose);
        let planned = |layers: usize| {
            let config = ModelConfig {
                num_hidden_layers: layers,
                ..config.clone()
            };
            let graph = build_graph_in(&config, method, shape, purpose, precision)?;
            Ok(Measured::of(&config, &graph, precision))
        };
        let layers = config.num_hidden_layers;
        let measured = if layers <= LAYERS {
            planned(layers)?
        } else {
            let (less, more) = (planned(LAYERS - 1)?, planned(LAYERS)?);
            more.and_further(less, (layers - LAYERS) as u64)
        };
        let widened = if precision == Precision::Float32 {
            0
        } else {
            4 * largest_projection(config)
        };
        Ok(Self {
            weights: weight_bytes(config, precision).saturating_add(widened),
            packed: measured.packed,
            step: measured.step,
            operators: measured
                .nodes
                .saturating_mul(all)
                .div_ceil(planned_batches)
                .saturating_mul(NODE_BYTES),
            work: measured.work.saturating_mul(all).div_ceil(planned_batches),
        })
    }
}

/// Memory is reused from one micro-batch to the next, so the second shows all that is kept: the
/// purpose with at most two of them, how many those are, and how many there are.
fn few_micro_batches(purpose: Purpose) -> (Purpose, u64, u64) {
    match purpose {
        Purpose::Train(mut settings) if settings.gradient_accumulation_steps > 2 => {
            let all = u64::from(settings.gradient_accumulation_steps);
            settings.gradient_accumulation_steps = 2;
            (Purpose::Train(settings), 2, all)
        }
        other => (other, 1, 1),
    }
}

/// What a graph of some layers takes.
#[derive(Clone, Copy)]
struct Measured {
    packed: u64,
    step: u64,
    nodes: u64,
    work: u64,
}

impl Measured {
    fn of(config: &ModelConfig, graph: &Graph, precision: Precision) -> Self {
        let spec = ModelSpec::new(config);
        let mut packed: BTreeSet<(WeightId, bool, bool)> = BTreeSet::new();
        for node in &graph.nodes {
            let weight = node.inputs.get(1).map(|id| graph.tensor(*id).input);
            let Some(Some(Input::Weight(id))) = weight else {
                continue;
            };
            match node.op {
                // A matrix held in a shorter form is widened for each product instead.
                Op::Product { tb, .. }
                    if precision == Precision::Float32 || !is_projection(&spec, id) =>
                {
                    packed.insert((id, tb, false));
                }
                Op::QuantizedProduct { transposed, .. } => {
                    packed.insert((id, transposed, true));
                }
                _ => {}
            }
        }
        let bytes = |(id, _, integers): &(WeightId, bool, bool)| {
            let values = product(&spec.weights()[id.index()].shape);
            values.saturating_mul(if *integers { 1 } else { 4 })
        };
        Self {
            packed: sum(packed.iter().map(bytes)),
            step: Plan::new(graph).bytes() as u64,
            nodes: graph.nodes.len() as u64,
            work: graph.work(),
        }
    }

    /// With `count` more layers than these, each of which adds what these have over `less`.
    fn and_further(self, less: Self, count: u64) -> Self {
        let further = |more: u64, less: u64| {
            more.saturating_add(more.saturating_sub(less).saturating_mul(count))
        };
        Self {
            packed: further(self.packed, less.packed),
            step: further(self.step, less.step),
            nodes: further(self.nodes, less.nodes),
            work: further(self.work, less.work),
        }
    }
}

/// Bytes of a model's frozen tensors, its projections held in `precision`.
pub fn weight_bytes(config: &ModelConfig, precision: Precision) -> u64 {
    let spec = ModelSpec::new(config);
    let plain = |values: u64| values.saturating_mul(4);
    let projection = |values: u64, cols: u64| match precision {
        Precision::Float32 => plain(values),
        Precision::BFloat16 => values.saturating_mul(2),
        Precision::Int8 | Precision::W8A8 => values.saturating_add(4 * (values / cols.max(1))),
        Precision::Nf4 => (values.div_ceil(2)) + 4 * values.div_ceil(NF4_BLOCK as u64),
    };
    let all = (0u32..).zip(spec.weights());
    sum(all.map(|(id, info)| {
        let values = product(&info.shape);
        match info.shape[..] {
            [_, cols] if is_projection(&spec, WeightId(id)) => projection(values, cols as u64),
            _ => plain(values),
        }
    }))
}

/// Values that a method trains on a model, with two moments for each, and those it only adds.
pub fn state_values(config: &ModelConfig, method: &Method) -> u64 {
    let params = method.params(config);
    sum(params.iter().map(|param| {
        let values = (param.rows as u64).saturating_mul(param.cols as u64);
        values.saturating_mul(if param.is_trained() { 3 } else { 1 })
    }))
}

/// Every matrix is one, but for the embedding and the output.
fn is_projection(spec: &ModelSpec, id: WeightId) -> bool {
    id != spec.embedding && id != spec.head
}

fn largest_projection(config: &ModelConfig) -> u64 {
    let shapes = crate::target::Target::ALL.map(|target| target.shape(config));
    let values = shapes.map(|(out, input)| product(&[out, input]));
    values.into_iter().max().unwrap_or(0)
}

fn product(shape: &[usize]) -> u64 {
    let sizes = shape.iter().map(|size| *size as u64);
    sizes.fold(1, u64::saturating_mul)
}

fn sum(parts: impl Iterator<Item = u64>) -> u64 {
    parts.fold(0, u64::saturating_add)
}
