//! Merkle trees over digests.
//!
//! Shape as in RFC 6962: a level is paired from the left and an odd last node moves up
//! unchanged (never paired with itself, which would give two leaf lists one root). Leaves,
//! inner nodes and the root are hashed in domains of their own, and the root also hashes the
//! number of leaves: `root = H(root domain, count, top)`. A path is therefore checked for one
//! index of one count, and a tree cannot be passed off as a shorter or longer one.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::Digest;

mod frontier;

pub use frontier::Frontier;

/// Longest path: a tree has at most 2^63 leaves.
pub const MAX_PATH: usize = 63;

/// A whole tree, kept in memory to answer paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// `levels[0]` are the hashed leaves, the last level is one node (none in an empty tree).
    levels: Vec<Vec<Digest>>,
}

/// The siblings from one leaf up to the top, lowest first.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
pub struct Path(pub Vec<Digest>);

impl BorshDeserialize for Path {
    /// Refuses more than [`MAX_PATH`] siblings before reading them.
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Path> {
        let length = u32::deserialize_reader(reader)? as usize;
        if length > MAX_PATH {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a Merkle path has at most {MAX_PATH} siblings, not {length}"),
            ));
        }
        (0..length)
            .map(|_| Digest::deserialize_reader(reader))
            .collect::<Result<_, _>>()
            .map(Path)
    }
}

impl Tree {
    /// The tree over `leaves`, in order.
    pub fn new(leaves: Vec<Digest>) -> Tree {
        let mut levels = vec![leaves.iter().map(hash_leaf).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let level = below
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => hash_node(left, right),
                    odd => odd[0],
                })
                .collect();
            levels.push(level);
        }
        Tree { levels }
    }

    /// All nodes, lowest level first.
    pub(crate) fn levels(&self) -> &[Vec<Digest>] {
        &self.levels
    }

    /// Number of leaves.
    pub fn count(&self) -> u64 {
        self.levels[0].len() as u64
    }

    /// The root: binds every leaf, its place, and the number of leaves.
    pub fn root(&self) -> Digest {
        let top = self.levels.last().and_then(|level| level.first());
        hash_root(self.count(), top.copied().unwrap_or(Digest::ZERO))
    }

    /// The path of leaf `index`, or `None` when there is no such leaf.
    pub fn path(&self, index: u64) -> Option<Path> {
        let mut at = usize::try_from(index)
            .ok()
            .filter(|at| *at < self.levels[0].len())?;
        let mut siblings = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            siblings.extend(level.get(at ^ 1));
            at /= 2;
        }
        Some(Path(siblings))
    }
}

/// The root of the tree over `leaves`.
pub fn root(leaves: Vec<Digest>) -> Digest {
    Tree::new(leaves).root()
}

impl Path {
    /// Whether `leaf` is leaf `index` of the tree with `count` leaves and this `root`.
    pub fn verify(&self, root: &Digest, index: u64, count: u64, leaf: &Digest) -> bool {
        self.root(index, count, leaf) == Some(*root)
    }

    /// The root of the tree with `count` leaves in which this is the path of leaf `index`; none for
    /// a path that no leaf there has.
    pub fn root(&self, index: u64, count: u64, leaf: &Digest) -> Option<Digest> {
        if index >= count {
            return None;
        }
        let (mut at, mut width) = (index, count);
        let mut node = hash_leaf(leaf);
        let mut siblings = self.0.iter();
        while width > 1 {
            // The odd last node of a level has no sibling and moves up as it is.
            if at ^ 1 < width {
                let sibling = siblings.next()?;
                node = if at % 2 == 0 {
                    hash_node(&node, sibling)
                } else {
                    hash_node(sibling, &node)
                };
            }
            at /= 2;
            width = width.div_ceil(2);
        }
        siblings.next().is_none().then(|| hash_root(count, node))
    }
}

pub(crate) fn hash_leaf(leaf: &Digest) -> Digest {
    Digest::of("assay/merkle/leaf/v1", &[&leaf.0])
}

pub(crate) fn hash_node(left: &Digest, right: &Digest) -> Digest {
    Digest::of("assay/merkle/node/v1", &[&left.0, &right.0])
}

pub(crate) fn hash_root(count: u64, top: Digest) -> Digest {
    Digest::of("assay/merkle/root/v1", &[&count.to_le_bytes(), &top.0])
}

#[cfg(test)]
#[path = "merkle_tests.rs"]
mod tests;
