//! One digest for a whole state, and proofs of what it holds or does not hold.
//!
//! A Jellyfish Merkle tree over the hashed keys of the state, with the hashes and proofs of the `jmt` crate
//! and its layout of stored nodes. A block changes the nodes on the paths of its writes; nodes it replaces are
//! deleted with the same update, so the tree always answers for the newest version of its store and
//! nothing older.

use std::collections::BTreeMap;

use anyhow::Result as AnyResult;
use assay_crypto::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue, SimpleHasher, Version};
use thiserror::Error;

use crate::{Height, ReadError};

mod batch;
#[cfg(test)]
mod batch_tests;
mod node;

/// Nodes of the tree, by opaque keys. `chain` implements it over its database.
pub trait TreeStore {
    /// The node of `key`.
    ///
    /// # Errors
    /// [`ReadError`] when the tree cannot be read.
    fn node(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;
}

impl TreeStore for BTreeMap<Vec<u8>, Vec<u8>> {
    fn node(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.get(key).cloned())
    }
}

/// What a block changes in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The root after the block.
    pub root: Digest,
    /// New nodes, and `None` for those that are replaced.
    pub nodes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// A tree that cannot be updated or read.
#[derive(Debug, Error)]
pub enum TreeError {
    /// Its store lost or altered nodes.
    #[error(
        "the state tree is damaged at height {height}: {problem}; restore it from a backup or sync anew"
    )]
    Damaged {
        /// Version that was being read or written.
        height: Height,
        /// What the tree found.
        problem: String,
    },
    /// Its store failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The tree of a genesis state, as the update of an empty tree at height 0.
///
/// # Errors
/// None that an empty tree can cause.
pub fn genesis(state: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Update, TreeError> {
    rebuilt(state, Height(0))
}

/// The tree of the state after the block at `height`, from nothing but that state. Its root is that of the tree
/// that grew block by block; its nodes lie elsewhere, and later blocks go on from it alike.
///
/// # Errors
/// None that an empty tree can cause.
pub fn rebuilt(state: &BTreeMap<Vec<u8>, Vec<u8>>, height: Height) -> Result<Update, TreeError> {
    let mut changes: Vec<batch::Change> = state
        .iter()
        .map(|(key, value)| (hash_key(key).0, Some(StateHasher::hash(value))))
        .collect();
    changes.sort_unstable();
    let (root, nodes) = batch::planted(height, &changes)?;
    let root = root.root();
    Ok(Update { root, nodes })
}

/// Applies the writes of the block at `height` to the tree of its parent.
///
/// # Errors
/// [`TreeError`] when `tree` does not hold the tree at `height - 1`.
pub fn update(
    tree: &dyn TreeStore,
    height: Height,
    writes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>,
) -> Result<Update, TreeError> {
    let mut changes: Vec<batch::Change> = writes
        .iter()
        .map(|(key, value)| {
            let value = value.as_ref().map(StateHasher::hash);
            (hash_key(key).0, value)
        })
        .collect();
    changes.sort_unstable();
    let (root, nodes) = batch::apply(tree, height, &changes)?;
    let root = root.root();
    Ok(Update { root, nodes })
}

/// Shows that the newest state, after the block at `height`, holds `value` under `key`, or
/// nothing.
///
/// # Errors
/// [`TreeError`] when `tree` does not hold the tree at `height`.
pub fn prove(
    tree: &dyn TreeStore,
    height: Height,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<Proof, TreeError> {
    let reader = Reader { tree, value };
    let (_, proof) = JellyfishMerkleTree::<_, StateHasher>::new(&reader)
        .get_with_proof(hash_key(key), height.0)
        .map_err(|error| failed(height, error))?;
    Ok(Proof(proof))
}

/// Shows that a state with a known root holds a value under a key, or nothing.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Proof(jmt::proof::SparseMerkleProof<StateHasher>);

impl Proof {
    /// Longest encoding, in bytes: 256 siblings with room to spare.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Reads exactly one proof.
    ///
    /// # Errors
    /// For bytes that are too many or no proof.
    pub fn decode(bytes: &[u8]) -> std::io::Result<Proof> {
        if bytes.len() > Self::MAX_BYTES {
            let text = format!(
                "a proof is at most {} bytes, not {}",
                Self::MAX_BYTES,
                bytes.len()
            );
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
        }
        jmt::proof::SparseMerkleProof::try_from_slice(bytes).map(Proof)
    }

    /// Whether the state with this `root` holds `value` under `key`; `None` for nothing.
    pub fn verify(&self, root: &Digest, key: &[u8], value: Option<&[u8]>) -> bool {
        self.0
            .verify(jmt::RootHash(root.0), hash_key(key), value)
            .is_ok()
    }
}

/// Plain BLAKE3: `jmt` puts a domain of its own before what it hashes, by kind of node, and a
/// derived context would cost as much again as the short inputs themselves.
#[derive(Clone)]
struct StateHasher(blake3::Hasher);

impl std::fmt::Debug for StateHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StateHasher")
    }
}

impl SimpleHasher for StateHasher {
    fn new() -> Self {
        StateHasher(blake3::Hasher::new())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

fn hash_key(key: &[u8]) -> KeyHash {
    KeyHash(Digest::of("assay/state key/v1", &[key]).0)
}

/// What `jmt` passes on: a failure of the store, or its own complaint about what it read.
fn failed(height: Height, error: anyhow::Error) -> TreeError {
    match error.downcast::<ReadError>() {
        Ok(read) => TreeError::Read(read),
        Err(error) => damaged(height, &error),
    }
}

fn damaged(height: Height, error: &dyn std::fmt::Display) -> TreeError {
    TreeError::Damaged {
        height,
        problem: error.to_string(),
    }
}

/// What `jmt` reads: nodes from the store, and the one value that is being proved.
struct Reader<'a> {
    tree: &'a dyn TreeStore,
    value: Option<&'a [u8]>,
}

impl TreeReader for Reader<'_> {
    fn get_node_option(&self, key: &NodeKey) -> AnyResult<Option<Node>> {
        let bytes = self.tree.node(&borsh::to_vec(key)?)?;
        Ok(bytes
            .map(|bytes| Node::try_from_slice(&bytes))
            .transpose()?)
    }

    fn get_value_option(
        &self,
        _max_version: Version,
        _key: KeyHash,
    ) -> AnyResult<Option<OwnedValue>> {
        Ok(self.value.map(<[u8]>::to_vec))
    }

    fn get_rightmost_leaf(&self) -> AnyResult<Option<(NodeKey, LeafNode)>> {
        Ok(None)
    }
}
