//! Walks a step graph through a planned memory.

mod node;

use std::sync::Arc;

use assay_data::Batch;
use assay_kernel::{Kernel, MatRef, PackedB, PackedI8};

use crate::adapter::Method;
use crate::base::Base;
use crate::error::{InvalidStep, ShapeError};
use crate::fault::first_fault_of;
use crate::graph::{BatchShape, Graph, Input, Op, Plan, Purpose, TensorId, build_graph_in};
use crate::kept::Kept;
use assay_graph::Noise;

/// Sees a node's outputs right after it ran: the node's index, and one slice per output.
pub type Observer<'a> = dyn FnMut(usize, &[&[f32]]) + Send + 'a;

/// What a step reads besides the state: ids and labels of all micro-batches, what dropout draws
/// from, and how many positions came before.
#[derive(Clone, Copy)]
pub(crate) struct Feed<'a> {
    pub(crate) ids: &'a [u32],
    pub(crate) labels: &'a [i32],
    pub(crate) noise: Option<Noise>,
    pub(crate) past: usize,
}

impl<'a> Feed<'a> {
    /// The rows of a batch, without dropout.
    pub(crate) fn of(batch: &'a Batch) -> Self {
        Self {
            ids: &batch.ids,
            labels: &batch.labels,
            noise: None,
            past: 0,
        }
    }
}

/// Whether a step can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No NaN and no infinity anywhere.
    Finite,
    /// Some output held one.
    NotFinite,
}

/// A graph with its memory, its packed weights and the kernel that runs it. After the first run
/// nothing is allocated.
pub(crate) struct Executor {
    kernel: Kernel,
    base: Arc<Base>,
    graph: Graph,
    plan: Plan,
    /// Empty for those that `kept` holds.
    buffers: Vec<Vec<f32>>,
    kept: Kept,
    /// For each node, its packed right-hand matrix, if that is a frozen one.
    packed: Vec<Option<Arc<PackedB>>>,
    /// The same for products of integers.
    packed_i8: Vec<Option<Arc<PackedI8>>>,
    /// For each node, whether its outputs are looked at for NaN and infinity.
    watched: Vec<bool>,
    /// The matrix of the running node that is held in a shorter form, widened.
    widened: Vec<f32>,
    /// The first node that has to run: constant ones do so once.
    first: usize,
    /// The step on the kernel's device, if it has one, once it has run.
    #[cfg(feature = "cuda")]
    on_device: Option<crate::device::DeviceStep>,
}

impl Executor {
    pub(crate) fn new(
        kernel: &Kernel,
        base: Arc<Base>,
        method: Option<&Method>,
        shape: BatchShape,
        purpose: Purpose,
    ) -> Result<Self, ShapeError> {
        let graph = build_graph_in(base.config(), method, shape, purpose, base.precision())?;
        let plan = Plan::new(&graph);
        let here = computed_here(kernel, &graph);
        // A device has the step's memory; what goes in and comes out passes through here.
        let kept = |buffer: usize| {
            let result = |id: &TensorId| plan.buffer(*id) == Some(buffer);
            here || buffer < plan.state().len() || graph.results.iter().any(result)
        };
        let wide = |buffer: usize| kept(buffer) && !plan.is_bfloat16(buffer);
        let sizes = plan.sizes().iter().enumerate();
        let buffers = sizes
            .map(|(buffer, n)| vec![0.0; if wide(buffer) { *n } else { 0 }])
            .collect();
        let pack = |node: &crate::graph::Node| {
            let Op::Product { tb, .. } = node.op else {
                return None;
            };
            match graph.tensor(node.inputs[1]).input {
                Some(Input::Weight(id)) if here => base.packed(kernel, id, tb),
                _ => None,
            }
        };
        let packed = graph.nodes.iter().map(pack).collect();
        let pack_i8 = |node: &crate::graph::Node| {
            let Op::QuantizedProduct { transposed, .. } = node.op else {
                return None;
            };
            match graph.tensor(node.inputs[1]).input {
                Some(Input::Weight(id)) => base.packed_i8(kernel, id, transposed),
                _ => None,
            }
        };
        let packed_i8 = graph.nodes.iter().map(pack_i8).collect();
        let watched = graph.watched();
        Ok(Self {
            kernel: kernel.clone(),
            base,
            graph,
            kept: if here {
                Kept::new(&plan)
            } else {
                Kept::default()
            },
            plan,
            buffers,
            packed,
            packed_i8,
            watched,
            widened: Vec::new(),
            first: 0,
            #[cfg(feature = "cuda")]
            on_device: None,
        })
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(crate) fn base(&self) -> &Arc<Base> {
        &self.base
    }

    /// The buffers of the inputs a step changes, in the order of [`Plan::state`].
    pub(crate) fn state_buffers(&mut self) -> impl Iterator<Item = (Input, &mut Vec<f32>)> {
        let inputs = self.plan.state().iter().map(|(input, _)| *input);
        inputs.zip(&mut self.buffers)
    }

    /// Packs the adapter's matrices too. They must be in place, and stay as they are.
    pub(crate) fn pack_params(&mut self) {
        let all = self.graph.nodes.iter().zip(&mut self.packed);
        for (node, packed) in all.skip(self.graph.constants) {
            let Op::Product { tb, .. } = node.op else {
                continue;
            };
            let tensor = self.graph.tensor(node.inputs[1]);
            let buffer = self.plan.buffer(node.inputs[1]);
            if let (Some(Input::Param(_)), Some(buffer)) = (tensor.input, buffer) {
                let matrix = MatRef::row_major(&self.buffers[buffer], tensor.rows, tensor.cols);
                let matrix = if tb { matrix.t() } else { matrix };
                *packed = Some(Arc::new(self.kernel.pack(matrix)));
            }
        }
    }

    /// Exchanges everything a step changes with an executor of the same model, adapter and
    /// purpose for another number of tokens.
    pub(crate) fn exchange_state(&mut self, other: &mut Self) {
        for (own, theirs) in self.state_buffers().zip(other.state_buffers()) {
            std::mem::swap(own.1, theirs.1);
        }
    }

    /// The values of a result after a run.
    pub(crate) fn result(&self, id: TensorId) -> &[f32] {
        let values = self.graph.tensor(id).values();
        match self.plan.buffer(id) {
            Some(buffer) => &self.buffers[buffer][..values],
            None => &[],
        }
    }

    /// Runs every node of a graph that changes no state, and checks every result. Ids and labels
    /// must have been checked against the model.
    ///
    /// # Errors
    /// With the first node that gives a NaN or infinity, or when the floating-point state of a
    /// thread was changed.
    pub(crate) fn run(&mut self, feed: Feed<'_>) -> Result<(), InvalidStep> {
        match self.run_watched(feed, None)? {
            Outcome::Finite => Ok(()),
            Outcome::NotFinite => Err(self.first_fault(feed)),
        }
    }

    /// Runs every node, looking at as few outputs as it takes to notice a NaN or infinity
    /// anywhere. After [`Outcome::NotFinite`] state buffers hold half a step.
    pub(crate) fn run_watched(
        &mut self,
        feed: Feed<'_>,
        mut observer: Option<&mut Observer<'_>>,
    ) -> Result<Outcome, InvalidStep> {
        self.kernel.check_environment()?;
        #[cfg(feature = "cuda")]
        if let Some(outcome) = self.run_on_device(feed, observer.as_deref_mut())? {
            return Ok(outcome);
        }
        let kernel = self.kernel.clone();
        Ok(kernel.run(move || {
            for node in self.first..self.graph.nodes.len() {
                let watch = self.watched[node];
                if !self.run_one(node, feed, watch, observer.as_deref_mut()) {
                    return Outcome::NotFinite;
                }
            }
            self.first = self.graph.constants;
            Outcome::Finite
        }))
    }

    /// Runs the step again from the same inputs, looking at every output: names the first node
    /// that gives a NaN or infinity.
    pub(crate) fn first_fault(&mut self, feed: Feed<'_>) -> InvalidStep {
        #[cfg(feature = "cuda")]
        if let Some(step) = &mut self.on_device {
            return match step.first_fault(&self.graph, &self.buffers, feed) {
                Ok(node) => self.fault(node, None),
                Err(error) => InvalidStep::Device(chain(&error)),
            };
        }
        let kernel = self.kernel.clone();
        let count = self.graph.nodes.len();
        let found = kernel.run(|| (0..count).find(|n| !self.run_one(*n, feed, true, None)));
        let at = found.and_then(|node| self.faulty_value(node));
        self.fault(found, at)
    }

    fn fault(&self, node: Option<usize>, at: Option<(usize, usize)>) -> InvalidStep {
        let node = node.unwrap_or(self.graph.nodes.len());
        let operator = self.graph.describe(node);
        InvalidStep::NotFinite { node, operator, at }
    }

    /// Row and column of the first NaN or infinity among the outputs of a node that has just run.
    fn faulty_value(&self, node: usize) -> Option<(usize, usize)> {
        let outputs = self.graph.nodes.get(node)?.outputs.iter();
        outputs.copied().find_map(|id| {
            let values = self.buffers.get(self.plan.buffer(id)?)?;
            let tensor = self.graph.tensor(id);
            first_fault_of(values.get(..tensor.values())?, tensor.cols)
        })
    }

    /// Runs the step on the kernel's device; `None` where it has none for it.
    #[cfg(feature = "cuda")]
    fn run_on_device(
        &mut self,
        feed: Feed<'_>,
        observer: Option<&mut Observer<'_>>,
    ) -> Result<Option<Outcome>, InvalidStep> {
        use crate::device::{DeviceStep, suits};
        let failed = |error| InvalidStep::Device(chain(&error));
        let device = self.kernel.device().filter(|_| suits(&self.graph));
        let Some(device) = device else {
            return Ok(None);
        };
        let (graph, plan) = (&self.graph, &self.plan);
        let step = match &mut self.on_device {
            Some(step) => step,
            none => {
                let step = DeviceStep::new(device, &self.base, graph, plan).map_err(failed)?;
                none.insert(step)
            }
        };
        let buffers = &mut self.buffers;
        let ran = step.run(graph, plan, &self.watched, buffers, feed, observer);
        ran.map(Some).map_err(failed)
    }
}

/// Whether the processor computes a graph, and not the kernel's device.
#[cfg(not(feature = "cuda"))]
fn computed_here(_: &Kernel, _: &Graph) -> bool {
    true
}

#[cfg(feature = "cuda")]
fn computed_here(kernel: &Kernel, graph: &Graph) -> bool {
    kernel.device().is_none() || !crate::device::suits(graph)
}

/// An error with what led to it.
#[cfg(feature = "cuda")]
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
