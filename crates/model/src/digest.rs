//! Digests of tensors, tile by tile.

use assay_crypto::{Digest, Hasher, merkle};

/// Values in a tile: the unit that can be opened alone.
pub const TILE: usize = 4096;

/// The digest of one tile: its values' bits, little-endian. The last tile of a tensor is shorter.
pub fn tile_digest(values: &[f32]) -> Digest {
    let mut bytes = [0; TILE * 4];
    let used = &mut bytes[..values.len() * 4];
    for (word, value) in used.as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *word = value.to_le_bytes();
    }
    Digest::of("assay/tile/v1", &[used])
}

/// The digest of a tensor: its name, its shape, and the Merkle root over its tiles.
pub fn tensor_digest(name: &str, rows: usize, cols: usize, values: &[f32]) -> Digest {
    let root = merkle::root(values.chunks(TILE).map(tile_digest).collect());
    let shape = [(rows as u64).to_le_bytes(), (cols as u64).to_le_bytes()];
    let parts = [name.as_bytes(), &shape[0], &shape[1], root.as_bytes()];
    Digest::of("assay/tensor/v1", &parts)
}

/// The digest of a node's outputs, as a trace of a single step lists them: the node's index and
/// the Merkle root over each output's tiles.
pub fn node_digest(node: usize, outputs: &[&[f32]]) -> Digest {
    let index = (node as u64).to_le_bytes();
    let mut hasher = Hasher::new("assay/node/v1");
    hasher.part(&index);
    for values in outputs {
        let root = merkle::root(values.chunks(TILE).map(tile_digest).collect());
        hasher.part(&(values.len() as u64).to_le_bytes());
        hasher.part(root.as_bytes());
    }
    hasher.finish()
}
