//! Describe a step as kernel operators and run one of them alone.
//!
//! What machines agree on about a step is named here by digests that can be opened piece by piece:
//! a tensor is a Merkle tree over tiles of its bytes ([`tile_digest`], [`tensor_digest`]), and a
//! training state, a base or an adapter is a tree over its tensors ([`Whole`]). A [`TileProof`]
//! shows one tile under such a digest, in less than 64 KiB. `docs/proof.md` has the byte maps.

mod bytes;
mod tile;
mod whole;

pub use tile::{
    Element, MAX_NAME, Shape, TILE, TILE_BYTES, tensor_digest, tile_digest, tile_digests,
    values_root,
};
pub use whole::{MAX_HEAD, MAX_PROOF_BYTES, Tensors, TileProof, Unproven, Whole};
