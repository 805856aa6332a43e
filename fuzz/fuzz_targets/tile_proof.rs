//! Proofs of single tiles: one encoding, and nobody shows what is not there.
#![no_main]

use assay_crypto::Digest;
use assay_fuzz::samples::model::states;
use assay_fuzz::{canonical_borsh, to_borsh};
use assay_graph::{MAX_PROOF_BYTES, TileProof, Whole};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let proofs = states().into_iter().filter_map(|state| {
        let proof = state.prove_tile(1, 0)?;
        Some([&state.digest().0[..], &to_borsh(&proof)].concat())
    });
    proofs.collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Some((digest, rest)) = data.split_first_chunk::<32>() else {
        return;
    };
    let Some(proof) = canonical_borsh::<TileProof>(rest) else {
        return;
    };
    assert!(rest.len() <= MAX_PROOF_BYTES);
    let digest = Digest(*digest);
    if proof.verify(Whole::State, &digest).is_ok() {
        assert!(proof.verify(Whole::Base, &digest).is_err());
        let mut other = proof.clone();
        other.bytes[0] ^= 1;
        assert!(other.verify(Whole::State, &digest).is_err());
        other = proof;
        other.name.push('x');
        assert!(other.verify(Whole::State, &digest).is_err());
    }
});
