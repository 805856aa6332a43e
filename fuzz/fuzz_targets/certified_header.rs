//! Headers with evidence: one encoding, and nobody without the validators' keys makes a final one.
#![no_main]

use std::sync::OnceLock;

use assay_chain::light::{CertifiedHeader, LightClient, LightError};
use assay_fuzz::canonical;
use assay_fuzz::samples::node::{certificate, certified, genesis};
use libfuzzer_sys::fuzz_target;

fn client() -> &'static LightClient {
    static CLIENT: OnceLock<LightClient> = OnceLock::new();
    CLIENT.get_or_init(|| LightClient::new(&genesis()).expect("a dealt genesis"))
}

fn seeds() -> Vec<Vec<u8>> {
    let long = certified();
    let forged = client().verify(&long);
    assert_eq!(
        forged,
        Err(LightError::BadCertificate),
        "a seed ends before the signature"
    );
    let short = CertifiedHeader {
        certificate: certificate(&long.header),
        header: long.header.clone(),
        descendants: vec![],
    };
    vec![long.to_bytes(), short.to_bytes()]
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let decoded = canonical(data, CertifiedHeader::decode, CertifiedHeader::to_bytes);
    let Some(certified) = decoded else {
        return;
    };
    assert!(client().verify(&certified).is_err(), "a forged certificate");
    for child in &certified.descendants {
        let valid = client().verify_beacon(&certified.header, child).is_ok();
        assert!(!valid || child.beacon.is_none(), "a forged beacon");
    }
});
