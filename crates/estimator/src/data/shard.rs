//! Rows under one name, of which each can be shown alone.
//!
//! ```text
//! row   = H("assay/shard/row/v1", bytes of the row)
//! root  = Merkle root over the rows, in order
//! name  = H("assay/shard/v1", classes, width, rows, root)
//! ```
//!
//! The bytes of a row are its features and its label, 4 bytes each (`shard_bytes.rs`).

use assay_crypto::Digest;
use assay_crypto::merkle::{Path, Tree};
use borsh::{BorshDeserialize, BorshSerialize};

use super::samples::{Labels, Samples};

/// What a shard's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ShardHead {
    /// How many classes there are; 0 where labels are numbers.
    pub classes: u32,
    /// Features of a row.
    pub width: u64,
    /// How many rows there are.
    pub rows: u64,
    /// The Merkle root over the rows.
    pub root: Digest,
}

impl ShardHead {
    /// The name that a ledger calls the shard by.
    pub fn name(&self) -> Digest {
        Digest::of(
            "assay/shard/v1",
            &[
                &self.classes.to_le_bytes(),
                &self.width.to_le_bytes(),
                &self.rows.to_le_bytes(),
                self.root.as_bytes(),
            ],
        )
    }
}

/// One row with what leads from it to its shard's name.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RowProof {
    /// The shard.
    pub head: ShardHead,
    /// Which row this is.
    pub index: u64,
    /// Its features and its label.
    pub row: Vec<u8>,
    /// Its path under the root.
    pub path: Path,
}

impl RowProof {
    /// Whether the row is where it claims to be in the shard of this name.
    pub fn verify(&self, name: &Digest) -> bool {
        let words = self.head.width.checked_add(1);
        let length = words.and_then(|words| words.checked_mul(4));
        let leaf = row_digest(&self.row);
        length == Some(self.row.len() as u64)
            && self.head.name() == *name
            && (self.path).verify(&self.head.root, self.index, self.head.rows, &leaf)
    }

    /// The features of the row and the word of its label.
    pub fn values(&self) -> Option<(Vec<f32>, [u8; 4])> {
        let (words, _) = self.row.as_chunks::<4>();
        let (label, features) = words.split_last()?;
        let features = features.iter().map(|word| f32::from_le_bytes(*word));
        Some((features.collect(), *label))
    }
}

/// One trainer's rows, hashed.
#[derive(Clone, Debug)]
pub struct Shard {
    samples: Samples,
    tree: Tree,
}

impl Shard {
    /// Names the rows.
    pub fn new(samples: Samples) -> Self {
        let leaves = (0..samples.rows()).map(|row| row_digest(&row_bytes(&samples, row)));
        let tree = Tree::new(leaves.collect());
        Self { samples, tree }
    }

    /// The rows.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// What the name says.
    pub fn head(&self) -> ShardHead {
        let classes = match self.samples.labels() {
            Labels::Values(_) => 0,
            Labels::Classes { count, .. } => *count,
        };
        ShardHead {
            classes,
            width: self.samples.width() as u64,
            rows: self.samples.rows() as u64,
            root: self.tree.root(),
        }
    }

    /// The name that a ledger calls it by.
    pub fn name(&self) -> Digest {
        self.head().name()
    }

    /// Shows one row; none, when there is no such row.
    pub fn prove(&self, index: u64) -> Option<RowProof> {
        Some(RowProof {
            path: self.tree.path(index)?,
            row: row_bytes(&self.samples, usize::try_from(index).ok()?),
            head: self.head(),
            index,
        })
    }
}

impl PartialEq for Shard {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

/// Features and label of a row.
pub(super) fn row_bytes(samples: &Samples, row: usize) -> Vec<u8> {
    let features = samples.row(row).iter();
    let mut bytes: Vec<u8> = features.flat_map(|value| value.to_le_bytes()).collect();
    bytes.extend(samples.labels().word(row));
    bytes
}

fn row_digest(bytes: &[u8]) -> Digest {
    Digest::of("assay/shard/row/v1", &[bytes])
}
