//! All changes of a block in one walk, so that each node on their paths is read, hashed and stored once.
//! (`jmt` walks from the root for each key, and hashes the whole path each time.)

use std::collections::BTreeMap;

use borsh::BorshDeserialize;

use super::node::{Child, Children, DEEPEST, Hash, Internal, Kind, Leaf, Node, Path, nibble};
use super::{TreeError, TreeStore, damaged};
use crate::Height;

/// What becomes of one key, by the hashes of the key and of its value; `None` deletes.
pub(super) type Change = (Hash, Option<Hash>);

/// Stored nodes, and `None` for those that are taken away.
type Nodes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Applies changes in ascending order of keys, each key once, to the tree of `height - 1`: the new root and
/// what is stored for it. Height 0 starts from nothing.
pub(super) fn apply(
    tree: &dyn TreeStore,
    height: Height,
    changes: &[Change],
) -> Result<(Node, Nodes), TreeError> {
    let mut batch = Batch {
        tree,
        height,
        nodes: Nodes::new(),
    };
    // Every version has a root node of its own, also one that changes nothing.
    let old = match height.0.checked_sub(1) {
        Some(version) => batch.take(Path::ROOT.place(version))?,
        None => Node::Null,
    };
    batch.applied(old, changes)
}

/// The tree at `height` that holds what `changes` put, in ascending order of keys, and nothing else.
pub(super) fn planted(height: Height, changes: &[Change]) -> Result<(Node, Nodes), TreeError> {
    let batch = Batch {
        tree: &BTreeMap::new(),
        height,
        nodes: Nodes::new(),
    };
    batch.applied(Node::Null, changes)
}

/// The pairs that changes put.
fn put(changes: &[Change]) -> Vec<Leaf> {
    let changes = changes.iter();
    changes
        .filter_map(|(key, value)| {
            Some(Leaf {
                key: *key,
                value: (*value)?,
            })
        })
        .collect()
}

/// The pairs that changes leave where there was only one.
fn beside(leaf: Leaf, changes: &[Change]) -> Vec<Leaf> {
    let mut leaves = put(changes);
    if changes.iter().all(|(key, _)| *key != leaf.key) {
        let at = leaves.partition_point(|other| other.key < leaf.key);
        leaves.insert(at, leaf);
    }
    leaves
}

/// A walk down one tree.
struct Batch<'a> {
    tree: &'a dyn TreeStore,
    height: Height,
    nodes: Nodes,
}

impl Batch<'_> {
    /// Changes the tree below its old root node.
    fn applied(mut self, old: Node, changes: &[Change]) -> Result<(Node, Nodes), TreeError> {
        let top = match old {
            Node::Null => self.grown(Path::ROOT, &put(changes))?,
            Node::Leaf(leaf) => self.grown(Path::ROOT, &beside(leaf, changes))?,
            Node::Internal(node) => {
                let mut children = node.into_children();
                self.below(Path::ROOT, &mut children, changes)?;
                self.risen(Path::ROOT, children)?
            }
        };
        let root = top.unwrap_or(Node::Null);
        self.store(Path::ROOT, &root)?;
        Ok((root, self.nodes))
    }

    /// A subtree once some of its keys have changed; `None` where nothing is left.
    fn child(
        &mut self,
        at: Path,
        old: Option<Child>,
        changes: &[Change],
    ) -> Result<Option<Child>, TreeError> {
        let Some(old) = old else {
            let top = self.grown(at, &put(changes))?;
            return self.settle(at, top);
        };
        let place = at.place(old.version);
        let top = match (self.read(&place)?, old.kind) {
            (Node::Leaf(leaf), Kind::Leaf)
                if at.holds(&leaf.key) && leaf.child(old.version) == old =>
            {
                let leaves = beside(leaf, changes);
                if leaves == [leaf] {
                    return Ok(Some(old));
                }
                self.grown(at, &leaves)?
            }
            (Node::Internal(node), Kind::Internal { .. }) if at.depth() < DEEPEST => {
                let mut children = node.into_children();
                if !self.below(at, &mut children, changes)? {
                    return Ok(Some(old));
                }
                self.risen(at, children)?
            }
            _ => return Err(self.damaged("a node is not what its parent says")),
        };
        self.nodes.insert(place, None);
        self.settle(at, top)
    }

    /// Makes the changes in the subtrees of the node at `at`; whether one of them is another one now.
    fn below(
        &mut self,
        at: Path,
        children: &mut Children,
        changes: &[Change],
    ) -> Result<bool, TreeError> {
        let next = |change: &Change| nibble(&change.0, at.depth());
        let mut changed = false;
        for group in changes.chunk_by(|a, b| next(a) == next(b)) {
            let nibble = next(&group[0]);
            let new = self.child(at.child(nibble), children[nibble].clone(), group)?;
            changed |= new != children[nibble];
            children[nibble] = new;
        }
        Ok(changed)
    }

    /// The top of a subtree whose node had other children: a pair that is left alone rises.
    fn risen(&mut self, at: Path, children: Children) -> Result<Option<Node>, TreeError> {
        let there = children.iter().enumerate();
        let mut there = there.filter_map(|(nibble, child)| Some((nibble, child.as_ref()?)));
        let (nibble, alone) = match (there.next(), there.next()) {
            (None, _) => return Ok(None),
            (Some((nibble, only)), None) if only.kind == Kind::Leaf => (nibble, only.clone()),
            _ => return Ok(Some(Node::Internal(Internal::new(children)))),
        };
        let at = at.child(nibble);
        match self.take(at.place(alone.version))? {
            Node::Leaf(leaf) if at.holds(&leaf.key) && leaf.child(alone.version) == alone => {
                Ok(Some(Node::Leaf(leaf)))
            }
            _ => Err(self.damaged("a pair is not where its parent says")),
        }
    }

    /// The top of a subtree of these pairs, in ascending order of keys.
    fn grown(&mut self, at: Path, leaves: &[Leaf]) -> Result<Option<Node>, TreeError> {
        match leaves {
            [] => return Ok(None),
            [leaf] => return Ok(Some(Node::Leaf(*leaf))),
            _ => {}
        }
        let next = |leaf: &Leaf| nibble(&leaf.key, at.depth());
        let mut children = Children::default();
        for group in leaves.chunk_by(|a, b| next(a) == next(b)) {
            let nibble = next(&group[0]);
            let at = at.child(nibble);
            let top = self.grown(at, group)?;
            children[nibble] = self.settle(at, top)?;
        }
        Ok(Some(Node::Internal(Internal::new(children))))
    }

    /// Stores the top of a subtree where it stays.
    fn settle(&mut self, at: Path, top: Option<Node>) -> Result<Option<Child>, TreeError> {
        let Some(top) = top else {
            return Ok(None);
        };
        self.store(at, &top)?;
        Ok(match top {
            Node::Null => None,
            Node::Leaf(leaf) => Some(leaf.child(self.height.0)),
            Node::Internal(node) => Some(node.child(self.height.0)),
        })
    }

    fn store(&mut self, at: Path, node: &Node) -> Result<(), TreeError> {
        let bytes = borsh::to_vec(node).map_err(|error| damaged(self.height, &error))?;
        self.nodes.insert(at.place(self.height.0), Some(bytes));
        Ok(())
    }

    /// What is stored somewhere, by this walk or before it.
    fn take(&mut self, place: Vec<u8>) -> Result<Node, TreeError> {
        let node = match self.nodes.remove(&place) {
            Some(Some(bytes)) => self.decode(&bytes)?,
            _ => {
                let node = self.read(&place)?;
                self.nodes.insert(place, None);
                node
            }
        };
        Ok(node)
    }

    /// What was stored somewhere before.
    fn read(&self, place: &[u8]) -> Result<Node, TreeError> {
        match self.tree.node(place)? {
            Some(bytes) => self.decode(&bytes),
            None => Err(self.damaged("a node is missing")),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Node, TreeError> {
        Node::try_from_slice(bytes).map_err(|error| damaged(self.height, &error))
    }

    fn damaged(&self, problem: &str) -> TreeError {
        damaged(self.height, &problem)
    }
}
