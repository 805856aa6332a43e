//! Merkle paths: one encoding, and a path proves one leaf at one place of one count.
#![no_main]

use assay_crypto::Digest;
use assay_crypto::merkle::{Path, Tree};
use assay_fuzz::parts::Parts;
use assay_fuzz::{canonical_borsh, to_borsh};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for count in [1u64, 2, 5, 8] {
        let leaves: Vec<Digest> = (0..count).map(|i| Digest([i as u8; 32])).collect();
        let tree = Tree::new(leaves.clone());
        let index = count - 1;
        let path = tree.path(index).expect("a leaf");
        seeds.push(
            [
                &index.to_le_bytes()[..],
                &count.to_le_bytes(),
                &tree.root().0,
                &leaves[index as usize].0,
                &to_borsh(&path),
            ]
            .concat(),
        );
    }
    seeds
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let mut parts = Parts::new(data);
    let index = u64::from_le_bytes(parts.array());
    let count = u64::from_le_bytes(parts.array());
    let (root, leaf) = (Digest(parts.array()), Digest(parts.array()));
    let Some(path) = canonical_borsh::<Path>(parts.rest()) else {
        return;
    };
    if path.verify(&root, index, count, &leaf) {
        assert!(index < count);
        let other = Digest([0xa5; 32]);
        assert!(leaf == other || !path.verify(&root, index, count, &other));
        assert!(!path.verify(&root, index, count + 1, &leaf));
        assert!(!path.verify(&root, index ^ 1, count, &leaf));
    }
});
