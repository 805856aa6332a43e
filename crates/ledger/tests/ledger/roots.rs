//! State roots and proofs.

use std::collections::BTreeMap;

use assay_crypto::Digest;
use assay_ledger::{AccountCall, Height, Store, root};
use proptest::prelude::*;

use crate::world::{Run, Who, World, terms};

type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn prove(world: &World, key: &[u8]) -> (Option<Vec<u8>>, root::Proof) {
    let value = world.store.get(key).unwrap();
    let proof = root::prove(&world.tree, world.height(), key, value.as_deref()).unwrap();
    (value, proof)
}

#[test]
fn every_pair_is_proved_and_nothing_else() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.ran(&truth);
    world.audit(order, &truth, |_, _| truth.clone());
    let pairs = world.store.pairs().clone();
    assert!(pairs.len() > 30);
    for (key, value) in &pairs {
        let (found, proof) = prove(&world, key);
        assert_eq!(found.as_ref(), Some(value));
        let proof = root::Proof::decode(&borsh::to_vec(&proof).unwrap()).unwrap();
        assert!(proof.verify(&world.root, key, Some(value)));
        assert!(!proof.verify(&world.root, key, None));
        assert!(!proof.verify(&world.root, key, Some(b"something else")));
        assert!(!proof.verify(&Digest::ZERO, key, Some(value)));
        let mut longer = key.clone();
        longer.push(0);
        assert!(!proof.verify(&world.root, &longer, Some(value)));
        let (found, absent) = prove(&world, &longer);
        assert_eq!(found, None);
        assert!(absent.verify(&world.root, &longer, None));
        assert!(!absent.verify(&world.root, &longer, Some(value)));
        assert!(!absent.verify(&world.root, key, None));
    }
}

/// Old versions of nodes go with the update that replaces them.
#[test]
fn the_tree_does_not_grow_with_time() {
    let mut world = World::new();
    world.advance(1);
    let nodes = world.tree.len();
    for _ in 0..50 {
        let to = Who::Requester.id();
        world.apply(
            Who::Stranger,
            AccountCall::Transfer {
                to,
                amount: assay_ledger::Amount(1),
            },
        );
    }
    assert_eq!(world.tree.len(), nodes);
}

#[test]
fn a_tree_of_another_height_is_noticed() {
    let world = World::new();
    let writes: Writes = [(vec![1], Some(vec![2]))].into();
    let error = root::update(&world.tree, Height(5), &writes).unwrap_err();
    assert!(
        matches!(
            error,
            root::TreeError::Damaged {
                height: Height(5),
                ..
            }
        ),
        "{error}"
    );
    let error = root::prove(&BTreeMap::new(), Height(0), &[1], None).unwrap_err();
    assert!(error.to_string().contains("sync anew"));
}

#[test]
fn receipts_are_proved_by_their_tree() {
    let mut world = World::new();
    let to = Who::Requester.id();
    let calls = (1..6).map(|n| {
        (
            Who::Stranger,
            AccountCall::Transfer {
                to,
                amount: assay_ledger::Amount(n),
            }
            .into(),
        )
    });
    let receipts = world.block(calls.collect());
    let tree = receipts.tree();
    for (i, receipt) in receipts.receipts.iter().enumerate() {
        let index = i as u64 + 1;
        let path = tree.path(index).unwrap();
        assert!(path.verify(&tree.root(), index, tree.count(), &receipt.leaf()));
        assert!(!path.verify(&tree.root(), 1 + index % 5, tree.count(), &receipt.leaf()));
    }
}

fn writes() -> impl Strategy<Value = Vec<Vec<(u8, Option<u8>)>>> {
    prop::collection::vec(
        prop::collection::vec((0u8..40, any::<Option<u8>>()), 0..12),
        1..8,
    )
}

proptest! {
    /// The root depends on what the state holds, not on how it came about; also after deletions,
    /// also when a block writes nothing.
    #[test]
    fn root_is_a_function_of_the_state(blocks in writes()) {
        let mut tree: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut state: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut last = root::genesis(&state).unwrap();
        apply(&mut tree, &last.nodes);
        for (i, block) in blocks.iter().enumerate() {
            let writes: Writes = block
                .iter()
                .map(|(key, value)| (vec![*key], value.map(|value| vec![value])))
                .collect();
            last = root::update(&tree, Height(i as u64 + 1), &writes).unwrap();
            apply(&mut tree, &last.nodes);
            apply(&mut state, &writes);
        }
        let fresh = root::genesis(&state).unwrap();
        prop_assert_eq!(last.root, fresh.root);
        prop_assert_eq!(tree.len(), fresh.nodes.len(), "stale nodes stay behind");
        let height = Height(blocks.len() as u64);
        for key in 0u8..40 {
            let value = state.get(&vec![key]).map(Vec::as_slice);
            let proof = root::prove(&tree, height, &[key], value).unwrap();
            prop_assert!(proof.verify(&last.root, &[key], value));
        }
    }
}

fn apply(pairs: &mut BTreeMap<Vec<u8>, Vec<u8>>, writes: &Writes) {
    for (key, value) in writes {
        match value {
            Some(value) => pairs.insert(key.clone(), value.clone()),
            None => pairs.remove(key),
        };
    }
}
