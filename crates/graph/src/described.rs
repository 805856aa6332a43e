//! Nodes as every machine writes them.

use std::io;

use assay_crypto::{Digest, merkle};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::bytes;
use crate::check::Malformed;
use crate::fit;
use crate::graph::Graph;
use crate::op::Op;
use crate::tensor::{Input, Tensor, TensorId};
use crate::tile::Shape;

/// The most inputs an operator has.
pub const MAX_INPUTS: usize = 6;

/// The most outputs an operator has.
pub const MAX_OUTPUTS: usize = 3;

/// Where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Origin {
    /// From outside the step.
    Input(Input),
    /// From an earlier node.
    Output {
        /// Its index.
        node: u32,
        /// Which of its outputs.
        output: u8,
    },
}

/// What a node reads at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Operand {
    /// Its shape; empty for what is no matrix.
    pub shape: Shape,
    /// Where it comes from.
    pub origin: Origin,
}

/// A node with everything that says what it computes: its place, its operator with all settings,
/// where each operand comes from, and all shapes.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Described {
    /// Its index in the step.
    pub node: u32,
    /// What is computed.
    pub op: Op,
    /// What it reads, in the operator's order.
    #[borsh(deserialize_with = "operands")]
    pub inputs: Vec<Operand>,
    /// The shapes of what it writes.
    #[borsh(deserialize_with = "shapes")]
    pub outputs: Vec<Shape>,
}

fn operands<R: io::Read>(reader: &mut R) -> io::Result<Vec<Operand>> {
    bytes::list::<Operand, MAX_INPUTS, R>(reader)
}

fn shapes<R: io::Read>(reader: &mut R) -> io::Result<Vec<Shape>> {
    bytes::list::<Shape, MAX_OUTPUTS, R>(reader)
}

impl Described {
    /// Steps of arithmetic that the operator takes on these shapes, about: one for each product that
    /// is added up.
    ///
    /// # Errors
    /// When the shapes do not fit the operator.
    pub fn work(&self) -> Result<u64, Malformed> {
        fit::work(self)
    }

    /// The digest of the node: of nothing that was computed.
    pub fn digest(&self) -> Digest {
        let mut bytes = Vec::with_capacity(256);
        // Writing to memory does not fail.
        let written = self.serialize(&mut bytes);
        debug_assert!(written.is_ok());
        Digest::of("assay/node/v2", &[&bytes])
    }
}

impl Graph {
    /// Every node as all machines write it, in order.
    pub fn described(&self) -> impl Iterator<Item = Described> {
        let mut made: Vec<Option<Origin>> = self.tensors.iter().map(origin).collect();
        (0u32..).zip(&self.nodes).map(move |(index, node)| {
            let shape = |id: &TensorId| Shape::of(self.tensor(*id));
            let operand = |id: &TensorId| Operand {
                shape: shape(id),
                // In a list that is in order something has made it; else it names itself.
                origin: made[id.0 as usize].unwrap_or(Origin::Output {
                    node: index,
                    output: u8::MAX,
                }),
            };
            let described = Described {
                node: index,
                op: node.op,
                inputs: node.inputs.iter().map(operand).collect(),
                outputs: node.outputs.iter().map(shape).collect(),
            };
            for (output, id) in (0u8..).zip(&node.outputs) {
                made[id.0 as usize] = Some(Origin::Output {
                    node: index,
                    output,
                });
            }
            described
        })
    }

    /// Steps of arithmetic that the step takes, about; what does not fit 64 bits is as many as these
    /// count.
    pub fn work(&self) -> u64 {
        let work = |node: Described| node.work().unwrap_or(u64::MAX);
        self.described().map(work).fold(0, u64::saturating_add)
    }

    /// The digest of the step: the Merkle root over its nodes' digests, so that one node can be
    /// shown alone.
    pub fn digest(&self) -> Digest {
        merkle::root(self.described().map(|node| node.digest()).collect())
    }
}

fn origin(tensor: &Tensor) -> Option<Origin> {
    tensor.input.map(Origin::Input)
}
