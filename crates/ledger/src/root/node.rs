//! Nodes as they are stored. The layout is that of `jmt`, which reads them to make a proof.

use assay_crypto::Digest;
use borsh::{BorshDeserialize, BorshSerialize};

/// What stands for a subtree that holds nothing.
const EMPTY: Hash = *b"SPARSE_MERKLE_PLACEHOLDER_HASH__";

/// Half bytes of a key's hash: the deepest a pair can lie.
pub(super) const DEEPEST: usize = 64;

/// Of a key, a value or a node.
pub(super) type Hash = [u8; 32];

/// A node and all that hangs below it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Node {
    /// Nothing; only a root is stored like this.
    Null,
    /// Up to sixteen subtrees.
    Internal(Internal),
    /// One pair.
    Leaf(Leaf),
}

/// One pair of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Leaf {
    /// Hash of its key.
    pub(super) key: Hash,
    /// Hash of its value.
    pub(super) value: Hash,
}

/// Four levels of a binary tree: a subtree for each next half byte of the keys' hashes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Internal {
    children: Box<Children>,
    /// How many there are.
    count: u64,
    /// Pairs below all of them.
    leaves: u64,
}

/// The subtrees of a node by the next half byte.
pub(super) type Children = [Option<Child>; 16];

/// What a node knows about a subtree.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Child {
    /// Of its top.
    pub(super) hash: Hash,
    /// Height of the block that stored its top.
    pub(super) version: u64,
    /// What its top is.
    pub(super) kind: Kind,
}

/// What is at the top of a subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Kind {
    /// A pair.
    Leaf,
    /// A node with so many pairs below it.
    Internal { leaves: u64 },
}

impl Node {
    /// The root of a tree with this at its top.
    pub(super) fn root(&self) -> Digest {
        Digest(match self {
            Node::Null => EMPTY,
            Node::Leaf(leaf) => leaf.hash(),
            Node::Internal(node) => subtree(node.children.as_slice()),
        })
    }
}

impl Leaf {
    /// What its parent knows about it.
    pub(super) fn child(&self, version: u64) -> Child {
        Child {
            hash: self.hash(),
            version,
            kind: Kind::Leaf,
        }
    }

    fn hash(&self) -> Hash {
        hash(&[b"JMT::LeafNode", &self.key, &self.value])
    }
}

impl Internal {
    /// Of at least two subtrees, or of one that is no leaf.
    pub(super) fn new(children: Children) -> Internal {
        let mut node = Internal {
            children: Box::new(children),
            count: 0,
            leaves: 0,
        };
        for child in node.children.iter().flatten() {
            node.count += 1;
            node.leaves = node.leaves.saturating_add(match child.kind {
                Kind::Leaf => 1,
                Kind::Internal { leaves } => leaves,
            });
        }
        node
    }

    /// What its parent knows about it.
    pub(super) fn child(&self, version: u64) -> Child {
        Child {
            hash: subtree(self.children.as_slice()),
            version,
            kind: Kind::Internal {
                leaves: self.leaves,
            },
        }
    }

    /// Its subtrees.
    pub(super) fn into_children(self) -> Children {
        *self.children
    }
}

/// Root of a binary tree over these: a pair that is alone in a subtree stands for the whole of it.
fn subtree(children: &[Option<Child>]) -> Hash {
    let mut there = children.iter().flatten();
    match (there.next(), there.next()) {
        (None, _) => EMPTY,
        (Some(only), None) if children.len() == 1 || only.kind == Kind::Leaf => only.hash,
        _ => {
            let (left, right) = children.split_at(children.len() / 2);
            hash(&[b"JMT::IntrnalNode", &subtree(left), &subtree(right)])
        }
    }
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Where a node lies: the first `depth` half bytes of the hash of any key below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    key: Hash,
    depth: usize,
}

impl Path {
    /// Of the root.
    pub(super) const ROOT: Path = Path {
        key: [0; 32],
        depth: 0,
    };

    /// How many half bytes it has.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Of its subtree at the next half byte, which must not be deeper than a key is long.
    pub(super) fn child(mut self, nibble: usize) -> Path {
        let shift = if self.depth.is_multiple_of(2) { 4 } else { 0 };
        self.key[self.depth / 2] |= (nibble << shift) as u8;
        self.depth += 1;
        self
    }

    /// Whether a key's hash lies below.
    pub(super) fn holds(&self, key: &Hash) -> bool {
        (0..self.depth).all(|depth| nibble(key, depth) == nibble(&self.key, depth))
    }

    /// The key under which a node that was stored at height `version` lies here.
    pub(super) fn place(&self, version: u64) -> Vec<u8> {
        let bytes = self.depth.div_ceil(2);
        let mut place = Vec::with_capacity(20 + bytes);
        place.extend(version.to_le_bytes());
        place.extend((self.depth as u64).to_le_bytes());
        place.extend((bytes as u32).to_le_bytes());
        place.extend(&self.key[..bytes]);
        place
    }
}

/// The half byte of a key's hash at `depth`, which must be below [`DEEPEST`].
pub(super) fn nibble(key: &Hash, depth: usize) -> usize {
    let byte = key[depth / 2];
    usize::from(if depth.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 15
    })
}
