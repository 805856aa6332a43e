//! Describe a step as kernel operators and run one of them alone.
//!
//! A [`Graph`] is a step as a fixed list of operators ([`Op`]) over tensors; [`Plan`] lays it out in
//! memory and [`run_node`] runs one of its nodes. It knows nothing of models, files or tokenizers:
//! whoever builds one fixes what it computes.
//!
//! What machines agree on about a step is named by digests that can be opened piece by piece. A
//! tensor is a Merkle tree over tiles of its bytes ([`tile_digest`], [`tensor_digest`]); a training
//! state, a base or an adapter is a tree over its tensors ([`Whole`]), and a [`TileProof`] shows one
//! tile under its digest in less than 64 KiB. A node is known by what it computes from which tensors
//! ([`Described`]), a step by a tree over its nodes ([`Graph::digest`]), and what a step computed by
//! a [`StepTrace`], whose prefixes are committed to one by one, so that a difference is found at one
//! operator. A [`Piece`] is that operator with its inputs, and [`judge`] computes it, the same on
//! every machine. Nothing of this runs while training. `docs/proof.md` tells the whole.

mod bytes;
mod check;
mod described;
mod fit;
mod graph;
mod judge;
mod op;
mod piece;
mod plan;
mod run_node;
mod tensor;
mod tile;
mod trace;
mod whole;

pub use check::{Limits, Malformed};
pub use described::{Described, MAX_INPUTS, MAX_OUTPUTS, Operand, Origin};
pub use graph::{BatchShape, Graph};
pub use judge::{JudgeError, Judged, judge};
pub use op::{AdamWConfig, Op};
pub use piece::{Data, Piece};
pub use plan::Plan;
pub use run_node::{Argument, DROPOUT_PURPOSE, Noise, Values, run_node};
pub use tensor::{Input, Node, Tensor, TensorId, WeightId};
pub use tile::{
    Element, MAX_NAME, Shape, TILE, TILE_BYTES, tensor_digest, tile_digest, tile_digests,
    values_root,
};
pub use trace::{Record, Recorder, StepTrace};
pub use whole::{MAX_HEAD, MAX_PROOF_BYTES, Tensors, TileProof, Unproven, Whole};
