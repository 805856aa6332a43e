//! Proofs of single tiles: one encoding, and nobody shows what is not there.
#![no_main]

use assay_crypto::Digest;
use assay_fuzz::{canonical_borsh, to_borsh};
use assay_graph::{MAX_PROOF_BYTES, Shape, Tensors, TileProof, Whole, tensor_digest};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let values: Vec<f32> = (0..5_000_u16).map(f32::from).collect();
    let tensors = Tensors {
        head: vec![7; 32],
        digests: vec![tensor_digest("a", 5, 1_000, &values)],
    };
    let shape = Shape {
        rows: 5,
        cols: 1_000,
    };
    let proofs = [0, 1].into_iter().filter_map(|tile| {
        let proof = tensors.clone().prove(0, "a", shape, &values, tile)?;
        let digest = tensors.clone().digest(Whole::Adapter);
        Some([&digest.0[..], &to_borsh(&proof)].concat())
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
    if proof.verify(Whole::Adapter, &digest).is_ok() {
        assert!(proof.verify(Whole::Base, &digest).is_err());
        let mut other = proof.clone();
        other.bytes[0] ^= 1;
        assert!(other.verify(Whole::Adapter, &digest).is_err());
        other = proof;
        other.name.push('x');
        assert!(other.verify(Whole::Adapter, &digest).is_err());
    }
});
