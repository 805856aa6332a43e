//! The digest of a node's outputs.

use assay_crypto::{Digest, Hasher};
use assay_graph::values_root;

/// The digest of a node's outputs, as a trace of a single step lists them: the node's index and
/// the Merkle root over each output's tiles.
pub fn node_digest(node: usize, outputs: &[&[f32]]) -> Digest {
    let index = (node as u64).to_le_bytes();
    let mut hasher = Hasher::new("assay/node/v1");
    hasher.part(&index);
    for values in outputs {
        hasher.part(&(values.len() as u64).to_le_bytes());
        hasher.part(values_root(values).as_bytes());
    }
    hasher.finish()
}
