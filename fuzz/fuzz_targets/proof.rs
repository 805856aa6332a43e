//! Proofs from the network: one encoding, and none of them convinces a light client.
//! The first byte picks the kind.
#![no_main]

use std::sync::OnceLock;

use assay_api::{ReceiptProof, ValueProof};
use assay_chain::light::LightClient;
use assay_fuzz::samples::node::{genesis, receipt_proof, value_proof};
use assay_fuzz::{canonical, canonical_borsh, to_borsh};
use libfuzzer_sys::fuzz_target;

fn client() -> &'static LightClient {
    static CLIENT: OnceLock<LightClient> = OnceLock::new();
    CLIENT.get_or_init(|| LightClient::new(&genesis()).expect("a dealt genesis"))
}

fn seeds() -> Vec<Vec<u8>> {
    vec![
        [vec![0], to_borsh(&value_proof())].concat(),
        [vec![1], to_borsh(&receipt_proof())].concat(),
    ]
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    match data.split_first() {
        Some((0, bytes)) => {
            let Some(proof) = canonical_borsh::<ValueProof>(bytes) else {
                return;
            };
            if let Ok(parts) = proof.clone().parts() {
                assert!(client().verify_state(b"key", &parts).is_err());
                assert_eq!(ValueProof::from(parts), proof);
            }
        }
        Some((1, bytes)) => {
            let Some(proof) = canonical(bytes, ReceiptProof::decode, to_borsh) else {
                return;
            };
            if let Ok(parts) = proof.clone().parts() {
                assert!(client().verify_transaction(&parts).is_err());
                assert_eq!(ReceiptProof::from(parts), proof);
            }
        }
        _ => {}
    }
});
