use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn leaves(count: u64) -> Vec<Digest> {
    (0..count)
        .map(|i| Digest::of("leaf", &[&i.to_le_bytes()]))
        .collect()
}

/// The recursive definition of RFC 6962, section 2.1: split at the largest power of two below n.
fn reference(leaves: &[Digest]) -> Digest {
    match leaves {
        [one] => hash_leaf(one),
        many => {
            let split = many.len().next_power_of_two() / 2;
            hash_node(&reference(&many[..split]), &reference(&many[split..]))
        }
    }
}

#[test]
fn has_the_shape_of_rfc6962() {
    for count in 1..70 {
        let tree = Tree::new(leaves(count));
        assert_eq!(
            tree.root(),
            hash_root(count, reference(&leaves(count))),
            "{count} leaves"
        );
    }
}

#[test]
fn every_leaf_has_a_path_that_fits_only_its_place() {
    for count in 1..20 {
        let leaves = leaves(count);
        let tree = Tree::new(leaves.clone());
        let root = tree.root();
        for index in 0..count {
            let path = tree.path(index).unwrap();
            for (other, leaf) in leaves.iter().enumerate() {
                let fits = path.verify(&root, index, count, leaf);
                assert_eq!(fits, other as u64 == index);
            }
            let leaf = &leaves[index as usize];
            for other in (0..count + 3).filter(|other| *other != index) {
                assert!(!path.verify(&root, other, count, leaf));
            }
            for other in (0..count + 9).filter(|other| *other != count) {
                assert!(!path.verify(&root, index, other, leaf));
            }
        }
        assert_eq!(tree.path(count), None);
    }
}

#[test]
fn counts_and_duplicated_tails_have_distinct_roots() {
    let mut roots = BTreeSet::new();
    for count in 0..40 {
        assert!(roots.insert(root(leaves(count))));
        if count > 0 {
            let mut doubled = leaves(count);
            doubled.push(doubled[doubled.len() - 1]);
            assert!(roots.insert(root(doubled)));
        }
    }
}

#[test]
fn an_inner_node_is_no_leaf() {
    let tree = Tree::new(leaves(4));
    let inner = hash_node(&hash_leaf(&leaves(4)[0]), &hash_leaf(&leaves(4)[1]));
    let path = Path(vec![hash_node(
        &hash_leaf(&leaves(4)[2]),
        &hash_leaf(&leaves(4)[3]),
    )]);
    assert!(!path.verify(&tree.root(), 0, 2, &inner));
    assert!(!path.verify(&tree.root(), 0, 4, &inner));
}

#[test]
fn golden_root() {
    assert_eq!(
        root(leaves(5)).to_string(),
        "b7693a3899c176f996c17d3d2a9c679c6563f730de879ed92d303d37c74f0aa2"
    );
}

#[test]
fn decoding_is_bounded() {
    let longest = Path(vec![Digest::ZERO; MAX_PATH]);
    assert_eq!(
        Path::try_from_slice(&borsh::to_vec(&longest).unwrap()).unwrap(),
        longest
    );
    let too_long = borsh::to_vec(&vec![Digest::ZERO; MAX_PATH + 1]).unwrap();
    assert!(Path::try_from_slice(&too_long).is_err());
    assert!(Path::try_from_slice(&u32::MAX.to_le_bytes()).is_err());
}

proptest! {
    #[test]
    fn paths_verify(count in 1u64..600, at: prop::sample::Index) {
        let index = at.index(count as usize) as u64;
        let leaves = leaves(count);
        let tree = Tree::new(leaves.clone());
        let path = tree.path(index).unwrap();
        prop_assert!(path.verify(&tree.root(), index, count, &leaves[index as usize]));
        let mut longer = path.clone();
        longer.0.push(Digest::ZERO);
        prop_assert!(!longer.verify(&tree.root(), index, count, &leaves[index as usize]));
    }

    #[test]
    fn any_path_is_answered(
        siblings in prop::collection::vec(any::<[u8; 32]>(), 0..80), index: u64, count: u64,
    ) {
        let path = Path(siblings.into_iter().map(Digest).collect());
        prop_assert!(!path.verify(&Digest::ZERO, index, count, &Digest::ZERO));
    }
}
