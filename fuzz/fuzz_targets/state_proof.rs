//! Proofs of what a state holds: one encoding, and no proof of anything that is not so.
#![no_main]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use assay_crypto::Digest;
use assay_fuzz::{canonical, samples, to_borsh};
use assay_ledger::{Height, root};
use libfuzzer_sys::fuzz_target;

/// The state of a genesis, its root, and keys with the values that the proofs are about.
struct Known {
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    tree: BTreeMap<Vec<u8>, Vec<u8>>,
    root: Digest,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let state = samples::ledger::genesis().state().expect("it makes sense");
        let update = root::genesis(&state).expect("an empty tree");
        let nodes = update.nodes.into_iter();
        Known {
            tree: nodes.filter_map(|(key, node)| Some((key, node?))).collect(),
            root: update.root,
            state,
        }
    })
}

fn seeds() -> Vec<Vec<u8>> {
    let known = known();
    let prove = |key: &[u8]| {
        let value = known.state.get(key).map(Vec::as_slice);
        to_borsh(&root::prove(&known.tree, Height(0), key, value).expect("a whole tree"))
    };
    let present = known.state.keys().take(3).map(|key| prove(key));
    present.chain([prove(b"absent")]).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Some(proof) = canonical(data, root::Proof::decode, to_borsh) else {
        return;
    };
    let known = known();
    for (key, value) in known.state.iter().take(3) {
        proof.verify(&known.root, key, Some(value));
        assert!(!proof.verify(&known.root, key, None), "a present key proved absent");
        assert!(!proof.verify(&known.root, key, Some(b"lie")), "a lie proved");
    }
    assert!(!proof.verify(&known.root, b"absent", Some(b"lie")), "a lie proved");
});
