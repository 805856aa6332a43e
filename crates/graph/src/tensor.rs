//! Tensors, where they come from, and the nodes that read and write them.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::op::Op;

/// The index of a frozen tensor in the model's list of them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct WeightId(pub u32);

impl WeightId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The index of a tensor in [`Graph::tensors`](crate::Graph::tensors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorId(pub u32);

/// What a step reads from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Input {
    /// A frozen tensor.
    Weight(WeightId),
    /// Cosines of the batch's positions, from [`Input::Past`] on.
    RopeCos,
    /// Sines of them.
    RopeSin,
    /// Token ids of a micro-batch (integers).
    Ids(u32),
    /// Its labels (integers).
    Labels(u32),
    /// The labels of all micro-batches.
    AllLabels,
    /// What dropout draws from: a key and the number of the step.
    Noise,
    /// How many positions came before, in earlier runs (an integer).
    Past,
    /// The keys of a layer, of all positions of the context; those to come hold anything finite.
    Keys(u32),
    /// The values of a layer.
    Values(u32),
    /// The learning rate: one value.
    LearningRate,
    /// AdamW's running powers: two values.
    Powers,
    /// A tensor of the adapter.
    Param(u32),
    /// Its first moment.
    First(u32),
    /// Its second moment.
    Second(u32),
}

/// A matrix with its origin; vectors have one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// Where it comes from; `None` for the output of a node.
    pub input: Option<Input>,
}

impl Tensor {
    /// Values in it.
    pub fn values(&self) -> usize {
        self.rows * self.cols
    }
}

/// One operator with the tensors it reads and writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// What it reads, in the operator's order.
    pub inputs: Vec<TensorId>,
    /// What it writes.
    pub outputs: Vec<TensorId>,
    /// The layer it is part of; split training leaves it to whoever holds the layers.
    pub layer: Option<u32>,
    /// The layer and the part of it that it is about, for messages.
    pub site: Option<(u32, &'static str)>,
}
