//! One operator with all it reads, as it is brought before a judge.

use std::io;

use assay_crypto::{Digest, merkle};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::bytes;
use crate::described::{Described, MAX_INPUTS};
use crate::run_node::{Argument, Noise, Values};
use crate::tensor::Tensor;
use crate::tile::{Shape, TILE_BYTES, bytes_digest, values_root};

/// The values of an operand.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Data {
    /// Numbers, row-major.
    Floats(Vec<f32>),
    /// Token ids.
    Ids(Vec<u32>),
    /// Labels.
    Labels(Vec<i32>),
    /// The matrix of an integer product: its integers, row-major, and the scale of each row.
    Int8 {
        /// The integers.
        values: Vec<i8>,
        /// The scales.
        scales: Vec<f32>,
    },
    /// What dropout draws from.
    Noise(Noise),
    /// How many positions came before.
    Past(u64),
}

impl Data {
    /// The digest by which it is known: of numbers the Merkle root over their tiles, which a tensor's
    /// digest and the record of the operator that made them hold too.
    pub fn root(&self) -> Digest {
        match self {
            Self::Floats(values) => values_root(values),
            Self::Ids(ids) => tiles_root(ids, |id| id.to_le_bytes()),
            Self::Labels(labels) => tiles_root(labels, |label| label.to_le_bytes()),
            Self::Int8 { values, scales } => {
                let values = tiles_root(values, |value| value.to_le_bytes());
                let scales = values_root(scales);
                Digest::of("assay/int8/v1", &[values.as_bytes(), scales.as_bytes()])
            }
            Self::Noise(Noise { key, step }) => {
                Digest::of("assay/noise/v1", &[key, &step.to_le_bytes()])
            }
            Self::Past(past) => Digest::of("assay/past/v1", &[&past.to_le_bytes()]),
        }
    }

    pub(crate) fn argument(&self, shape: Shape) -> Argument<'_> {
        let values = match self {
            Self::Floats(values) => Values::Floats(values),
            Self::Ids(ids) => Values::Ids(ids),
            Self::Labels(labels) => Values::Labels(labels),
            Self::Int8 { values, scales } => Values::Int8 {
                values,
                scales,
                packed: None,
            },
            Self::Noise(noise) => Values::Noise(*noise),
            Self::Past(past) => Values::Past(*past as usize),
        };
        let tensor = Tensor {
            rows: shape.rows as usize,
            cols: shape.cols as usize,
            input: None,
        };
        Argument { tensor, values }
    }
}

/// The Merkle root over the tiles of values of `N` bytes.
fn tiles_root<T: Copy, const N: usize>(values: &[T], bytes: fn(T) -> [u8; N]) -> Digest {
    let tile = |values: &[T]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| bytes(*value)).collect();
        bytes_digest(&bytes)
    };
    merkle::root(values.chunks(TILE_BYTES / N).map(tile).collect())
}

/// A node with the values of its operands. Its bytes are bounded by whoever reads them; nothing in
/// them is trusted before [`judge`](crate::judge) has checked it.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Piece {
    /// What is computed.
    pub node: Described,
    /// The operands' values, in the operator's order.
    #[borsh(deserialize_with = "operands")]
    pub inputs: Vec<Data>,
}

fn operands<R: io::Read>(reader: &mut R) -> io::Result<Vec<Data>> {
    bytes::list::<Data, MAX_INPUTS, R>(reader)
}
