//! Shards: one encoding, one name, and every row is shown under it.
#![no_main]

use assay_estimator::{RowProof, Shard};
use assay_fuzz::samples::estimator::shards;
use assay_fuzz::{canonical, canonical_borsh};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    shards().iter().map(Shard::to_bytes).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    if let Some(proof) = canonical_borsh::<RowProof>(data) {
        let _ = (proof.verify(&proof.head.name()), proof.values());
    }
    let Some(shard) = canonical(data, Shard::from_bytes, Shard::to_bytes) else {
        return;
    };
    let name = shard.name();
    for index in 0..shard.head().rows.min(5) {
        assert!(shard.prove(index).is_some_and(|proof| proof.verify(&name)));
    }
    let _ = shard.samples().notices();
});
