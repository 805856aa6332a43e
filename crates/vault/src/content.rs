//! The digest of a file's plaintext, whoever stores it and under whatever key.

use assay_crypto::{Digest, merkle};

use crate::piece::SLICE_BYTES;

/// Hashes a plaintext slice by slice; memory grows by one digest per 4 MiB.
///
/// The content digest is the Merkle root over the digests of the plaintext slices, so one slice
/// can be checked alone, and slices can be hashed in any place that holds them.
#[derive(Default)]
pub struct ContentHasher {
    leaves: Vec<Digest>,
}

impl ContentHasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next slice: [`SLICE_BYTES`] long unless it is the last.
    pub fn slice(&mut self, plaintext: &[u8]) {
        self.leaves
            .push(Digest::of("assay/vault/content/v1", &[plaintext]));
    }

    /// The digest of everything added; an empty file is one empty slice.
    pub fn finish(mut self) -> Digest {
        if self.leaves.is_empty() {
            self.slice(&[]);
        }
        merkle::root(self.leaves)
    }
}

/// The content digest of bytes held in memory: what an order names as an input's `content`.
pub fn content_digest(bytes: &[u8]) -> Digest {
    let mut hasher = ContentHasher::new();
    for slice in bytes.chunks(SLICE_BYTES) {
        hasher.slice(slice);
    }
    hasher.finish()
}
