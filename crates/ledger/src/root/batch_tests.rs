//! The tree beside the one that `jmt` makes, and damaged ones.

use jmt::ValueHash;
use proptest::prelude::*;

use super::*;

/// Keys' hashes that part early, late, or only in their last half byte.
fn keys() -> impl Strategy<Value = [u8; 32]> {
    (any::<u8>(), 0u8..3, 0u8..8, prop::bool::weighted(0.3)).prop_map(
        |(any, first, last, spread)| {
            let mut key = [0; 32];
            key[0] = if spread { any } else { first };
            key[9] = (last & 4) << 2;
            key[31] = last & 3;
            key
        },
    )
}

type Blocks = Vec<BTreeMap<[u8; 32], Option<u8>>>;

fn blocks() -> impl Strategy<Value = Blocks> {
    let value = prop_oneof![2 => (0u8..3).prop_map(Some), 1 => Just(None)];
    let block = prop::collection::btree_map(keys(), value, 0..24);
    prop::collection::vec(block, 1..9)
}

/// The root and the number of nodes of a tree that `jmt` itself makes of these pairs.
fn by_jmt(pairs: &BTreeMap<[u8; 32], u8>) -> (Digest, usize) {
    let empty = BTreeMap::new();
    let reader = Reader {
        tree: &empty,
        value: None,
    };
    let pairs = pairs.iter();
    let pairs = pairs.map(|(key, value)| (KeyHash(*key), Some(vec![*value])));
    let (root, made) = JellyfishMerkleTree::<_, StateHasher>::new(&reader)
        .put_value_set(pairs, 0)
        .unwrap();
    (Digest(root.0), made.node_batch.nodes().len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// After every block the tree is the one that `jmt` makes of the same pairs one by one, no node more
    /// and none fewer, and `jmt` proves out of it what is there and what is not.
    #[test]
    fn the_tree_is_the_one_of_jmt(blocks in blocks()) {
        let mut tree: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut pairs = BTreeMap::new();
        for (version, block) in blocks.iter().enumerate() {
            let height = Height(version as u64);
            let hashed = |value: u8| ValueHash::with::<StateHasher>([value]).0;
            let changes: Vec<batch::Change> =
                block.iter().map(|(key, value)| (*key, value.map(hashed))).collect();
            let (root, nodes) = batch::apply(&tree, height, &changes).unwrap();
            for (place, node) in nodes {
                match node {
                    Some(node) => prop_assert!(tree.insert(place, node).is_none()),
                    None => prop_assert!(tree.remove(&place).is_some(), "deletes what is not there"),
                }
            }
            for (key, value) in block {
                match value {
                    Some(value) => pairs.insert(*key, *value),
                    None => pairs.remove(key),
                };
            }
            prop_assert_eq!((root.root(), tree.len().max(1)), {
                let (root, nodes) = by_jmt(&pairs);
                (root, nodes.max(1))
            });
            for key in blocks.iter().flat_map(BTreeMap::keys) {
                let value = pairs.get(key).map(|value| vec![*value]);
                let reader = Reader { tree: &tree, value: value.as_deref() };
                let (found, proof) = JellyfishMerkleTree::<_, StateHasher>::new(&reader)
                    .get_with_proof(KeyHash(*key), height.0)
                    .unwrap();
                prop_assert_eq!(&found, &value);
                let root = jmt::RootHash(root.root().0);
                prop_assert!(proof.verify(root, KeyHash(*key), value).is_ok());
            }
        }
    }

    /// Nodes that were lost, cut or exchanged are an error or give some tree, and never a panic; the root is
    /// always read, so it is an error.
    #[test]
    fn a_damaged_tree_stops_nothing_but_its_update(
        first in prop::collection::btree_map(keys(), 0u8..3, 2..24),
        second in prop::collection::btree_map(keys(), any::<Option<u8>>(), 1..24),
        which in any::<prop::sample::Index>(),
        damage in 0..4,
        other in any::<prop::sample::Index>(),
    ) {
        let hashed = |value: u8| ValueHash::with::<StateHasher>([value]).0;
        let first: Vec<_> = first.iter().map(|(key, value)| (*key, Some(hashed(*value)))).collect();
        let (_, nodes) = batch::apply(&BTreeMap::new(), Height(0), &first).unwrap();
        let mut tree: BTreeMap<Vec<u8>, Vec<u8>> =
            nodes.into_iter().filter_map(|(place, node)| Some((place, node?))).collect();
        let places: Vec<Vec<u8>> = tree.keys().cloned().collect();
        let place = which.get(&places).clone();
        let stranger = tree[other.get(&places)].clone();
        let node = tree.get_mut(&place).unwrap();
        match damage {
            0 => drop(tree.remove(&place)),
            1 => node.truncate(node.len() / 2),
            2 => *node = stranger,
            _ => *other.get_mut(node) ^= 0x11,
        }
        let second: Vec<_> = second.iter().map(|(key, value)| (*key, value.map(hashed))).collect();
        let result = batch::apply(&tree, Height(1), &second);
        if damage < 2 && place == node::Path::ROOT.place(0) {
            let noticed = matches!(result, Err(TreeError::Damaged { .. }));
            prop_assert!(noticed);
        }
    }
}

/// A pair that would rise, or be parted from another one, is the one that its parent has hashed.
#[test]
fn an_exchanged_pair_is_an_error() {
    let keys = [0x10, 0x20, 0x21].map(|first| {
        let mut key = [7; 32];
        key[0] = first;
        key
    });
    let [risen, deleted, new] = keys;
    let first = [(risen, Some([1; 32])), (deleted, Some([2; 32]))];
    let (_, nodes) = batch::apply(&BTreeMap::new(), Height(0), &first).unwrap();
    let nodes = nodes
        .into_iter()
        .filter_map(|(place, node)| Some((place, node?)));
    let mut tree: BTreeMap<Vec<u8>, Vec<u8>> = nodes.collect();
    let rises = [(deleted, None)];
    let parts = [(new, Some([3; 32]))];
    assert!(batch::apply(&tree, Height(1), &rises).is_ok());
    assert!(batch::apply(&tree, Height(1), &parts).is_ok());
    // The last byte of each pair's value.
    let pairs = tree.values_mut().filter(|node| node.len() == 65);
    assert_eq!(pairs.map(|node| node[64] ^= 1).count(), 2);
    for changes in [&rises[..], &parts] {
        let result = batch::apply(&tree, Height(1), changes);
        assert!(matches!(result, Err(TreeError::Damaged { .. })));
    }
}
