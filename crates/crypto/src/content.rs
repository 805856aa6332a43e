//! The digest of a file's plaintext, whoever stores it and under whatever key.

use std::io;

use crate::{Digest, ReadAt, merkle};

/// Bytes in one slice of a file; only the last slice is shorter.
pub const SLICE_BYTES: usize = 4 << 20;

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

/// The content digest of bytes wherever they lie, of which one slice at a time is in memory.
///
/// # Errors
/// When they cannot be read.
pub fn content_digest_of(bytes: &dyn ReadAt) -> io::Result<Digest> {
    let mut hasher = ContentHasher::new();
    let (mut at, mut slice) = (0, Vec::new());
    while at < bytes.length() {
        let count = (bytes.length() - at).min(SLICE_BYTES as u64);
        slice.resize(count as usize, 0);
        bytes.read_at(at, &mut slice)?;
        hasher.slice(&slice);
        at += count;
    }
    Ok(hasher.finish())
}
