//! A step graph on a CUDA device.
//!
//! The device holds weights, rotary tables and the planned memory; a step sends the state and the
//! batch there, runs every node, and takes the state and the results back. The operators have the
//! bits of the processor's, so a step may be computed anywhere and checked anywhere. After the
//! first step the kernels are recorded and replayed, which saves starting them one by one.

mod run_node;
mod weights;

use weights::DeviceWeights;

use assay_kernel::cuda::{Device, DeviceError, DeviceSlice, Recording};

use crate::base::Base;
use crate::executor::{Feed, Observer, Outcome};
use crate::graph::{Graph, Input, Op, Plan, TensorId};
use run_node::{Scratch, run_node};

/// What a node reads and writes.
struct Slices {
    inputs: Vec<DeviceSlice>,
    outputs: Vec<DeviceSlice>,
    /// Outputs that take over an input of another buffer, which is copied first.
    copies: Vec<(DeviceSlice, DeviceSlice)>,
}

/// A graph's memory on a device.
pub(crate) struct DeviceStep {
    device: Device,
    nodes: Vec<Slices>,
    /// All buffers of the state, in one piece, and where each begins in it.
    state: DeviceSlice,
    starts: Vec<usize>,
    staging: Vec<f32>,
    ids: DeviceSlice,
    labels: DeviceSlice,
    noise: DeviceSlice,
    results: Vec<DeviceSlice>,
    flag: DeviceSlice,
    scratch: Scratch,
    /// The kernels of a step, after one has run.
    recording: Option<Recording>,
    ran: bool,
}

impl DeviceStep {
    pub(crate) fn new(
        device: &Device,
        base: &Base,
        graph: &Graph,
        plan: &Plan,
    ) -> Result<Self, DeviceError> {
        let _turn = device.turn();
        let weights = base.on_device(device.ordinal(), || DeviceWeights::new(device, base))?;
        let count = plan.state().len();
        let buffers = device.reserve_all(plan.sizes())?;
        let positions = graph.rows().positions();
        let [ids, labels] = [device.reserve(positions)?, device.reserve(positions)?];
        let noise = device.reserve(10)?;
        let slice = |id: TensorId| -> DeviceSlice {
            let tensor = graph.tensor(id);
            let micro = |all: &DeviceSlice, k: u32| all.part(k as usize * tensor.rows, tensor.rows);
            match (plan.buffer(id), tensor.input) {
                (Some(buffer), _) => buffers[buffer].first(tensor.values()),
                (None, Some(Input::Weight(id))) => weights.tensor(id),
                (None, Some(Input::RopeCos)) => weights.cosines(tensor.values()),
                (None, Some(Input::RopeSin)) => weights.sines(tensor.values()),
                (None, Some(Input::Ids(k))) => micro(&ids, k),
                (None, Some(Input::Labels(k))) => micro(&labels, k),
                (None, Some(Input::AllLabels)) => labels.clone(),
                (None, _) => noise.clone(),
            }
        };
        let slices = |node: &crate::graph::Node| {
            let inputs: Vec<DeviceSlice> = node.inputs.iter().map(|id| slice(*id)).collect();
            let outputs: Vec<DeviceSlice> = node.outputs.iter().map(|id| slice(*id)).collect();
            let taken = |(k, output): (usize, &DeviceSlice)| {
                let old = inputs[node.op.updates(k)?].clone();
                (!old.starts_with(output)).then(|| (old, output.clone()))
            };
            let copies = outputs.iter().enumerate().filter_map(taken).collect();
            Slices {
                inputs,
                outputs,
                copies,
            }
        };
        let nodes: Vec<Slices> = graph.nodes.iter().map(slices).collect();
        let scratch = Scratch::new(device, graph)?;
        // The state's buffers are the plan's first ones, so they lie together.
        let mut starts = Vec::with_capacity(count);
        let mut length = 0;
        for buffer in &buffers[..count] {
            let start = buffer.words_after(&buffers[0]);
            starts.push(start);
            length = start + buffer.len();
        }
        let state = match buffers.first() {
            Some(first) => first.extended(length),
            None => device.reserve(0)?,
        };
        let results = graph.results.iter().map(|id| slice(*id)).collect();
        Ok(Self {
            device: device.clone(),
            nodes,
            state,
            starts,
            staging: vec![0.0; length],
            ids,
            labels,
            noise,
            results,
            flag: device.reserve(1)?,
            scratch,
            recording: None,
            ran: false,
        })
    }

    /// Runs every node on the state in `buffers`, the first ones of the plan, which then hold the
    /// next state; buffers of results take their values.
    pub(crate) fn run(
        &mut self,
        graph: &Graph,
        plan: &Plan,
        watched: &[bool],
        buffers: &mut [Vec<f32>],
        feed: Feed<'_>,
        observer: Option<&mut Observer<'_>>,
    ) -> Result<Outcome, DeviceError> {
        let device = self.device.clone();
        let _turn = device.turn();
        self.send(buffers, feed)?;
        self.device.clear(&self.flag)?;
        match (observer, &self.recording) {
            (Some(observer), _) => self.run_observed(graph, watched, observer)?,
            (None, Some(recording)) => self.device.replay(recording)?,
            (None, None) if self.ran => {
                let recording = self.device.record(|| self.run_nodes(graph, watched))?;
                self.device.replay(&recording)?;
                self.recording = Some(recording);
            }
            (None, None) => {
                self.run_nodes(graph, watched)?;
                self.ran = true;
            }
        }
        self.receive(graph, plan, buffers)
    }

    /// The first node, if any, one of whose outputs holds a NaN or infinity. Changes no buffer of
    /// the caller.
    pub(crate) fn first_fault(
        &mut self,
        graph: &Graph,
        buffers: &[Vec<f32>],
        feed: Feed<'_>,
    ) -> Result<Option<usize>, DeviceError> {
        let device = self.device.clone();
        let _turn = device.turn();
        self.send(buffers, feed)?;
        self.device.clear(&self.flag)?;
        for index in 0..graph.nodes.len() {
            self.run_one(graph, index, true)?;
            if self.faulty()? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn send(&mut self, buffers: &[Vec<f32>], feed: Feed<'_>) -> Result<(), DeviceError> {
        for (start, buffer) in self.starts.iter().zip(buffers) {
            self.staging[*start..][..buffer.len()].copy_from_slice(buffer);
        }
        self.device.write(&self.state, &self.staging)?;
        self.device.write(&self.ids, feed.ids)?;
        self.device.write(&self.labels, feed.labels)?;
        let Some(noise) = feed.noise else {
            return Ok(());
        };
        let (key, _) = noise.key.as_chunks::<4>();
        let mut words: Vec<u32> = key.iter().map(|word| u32::from_le_bytes(*word)).collect();
        words.extend([noise.step as u32, (noise.step >> 32) as u32]);
        self.device.write(&self.noise, &words)
    }

    fn receive(
        &mut self,
        graph: &Graph,
        plan: &Plan,
        buffers: &mut [Vec<f32>],
    ) -> Result<Outcome, DeviceError> {
        self.device.read(&self.state, &mut self.staging)?;
        for (start, buffer) in self.starts.iter().zip(&mut *buffers) {
            let values = &self.staging[*start..][..buffer.len()];
            buffer.copy_from_slice(values);
        }
        for (id, slice) in graph.results.iter().zip(&self.results) {
            let buffer = plan
                .buffer(*id)
                .filter(|buffer| *buffer >= self.starts.len());
            if let Some(buffer) = buffer {
                self.device
                    .read(slice, &mut buffers[buffer][..slice.len()])?;
            }
        }
        match self.faulty()? {
            true => Ok(Outcome::NotFinite),
            false => Ok(Outcome::Finite),
        }
    }

    fn run_nodes(&self, graph: &Graph, watched: &[bool]) -> Result<(), DeviceError> {
        (0..graph.nodes.len()).try_for_each(|index| self.run_one(graph, index, watched[index]))
    }

    fn run_one(&self, graph: &Graph, index: usize, watch: bool) -> Result<(), DeviceError> {
        let Slices {
            inputs,
            outputs,
            copies,
        } = &self.nodes[index];
        for (from, to) in copies {
            self.device.copy(from, to)?;
        }
        let node = &graph.nodes[index];
        run_node(&self.device, graph, node, inputs, outputs, &self.scratch)?;
        if watch {
            for output in outputs {
                self.device.find_fault(output, &self.flag)?;
            }
        }
        Ok(())
    }

    fn run_observed(
        &self,
        graph: &Graph,
        watched: &[bool],
        observer: &mut Observer<'_>,
    ) -> Result<(), DeviceError> {
        for (index, slices) in self.nodes.iter().enumerate() {
            self.run_one(graph, index, watched[index])?;
            let mut values = Vec::with_capacity(slices.outputs.len());
            for output in &slices.outputs {
                let mut found = vec![0.0_f32; output.len()];
                self.device.read(output, &mut found)?;
                values.push(found);
            }
            let seen: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
            observer(index, &seen);
        }
        Ok(())
    }

    fn faulty(&self) -> Result<bool, DeviceError> {
        let mut flag = [0_u32];
        self.device.read(&self.flag, &mut flag)?;
        Ok(flag != [0])
    }
}

/// Whether a graph for this purpose runs on a device: those of generation run node by node for
/// single tokens, which a device does not speed up, and keep their cache on the processor; the
/// matrices of integer products are held there too.
pub(crate) fn suits(graph: &Graph) -> bool {
    let here = |node: &crate::graph::Node| {
        matches!(
            node.op,
            Op::CachedAttention { .. } | Op::QuantizedProduct { .. }
        )
    };
    !graph.nodes.iter().any(here)
}
