//! Sealed messages from strangers, and messages sealed to keys that strangers name.
#![no_main]

use assay_crypto::aead::{self, FileKey};
use assay_crypto::{EncryptionKey, SEAL_OVERHEAD, Sealed, SecretKey};
use assay_fuzz::canonical_borsh;
use assay_fuzz::to_borsh;
use libfuzzer_sys::fuzz_target;

const PLAIN: &[u8] = b"plain";

fn sealed() -> Sealed {
    let to = SecretKey::from_seed([1; 32]).encryption().public();
    assay_crypto::seal(&to, b"info", PLAIN, [2; 32]).expect("a usable key")
}

fn slice() -> Vec<u8> {
    aead::encrypt(&FileKey([3; 32]), 4, b"aad", PLAIN).expect("short")
}

fn seeds() -> Vec<Vec<u8>> {
    vec![sealed().0, to_borsh(&sealed()), slice()]
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    canonical_borsh::<Sealed>(data);
    let secret = SecretKey::from_seed([1; 32]).encryption();
    // Nobody but the fuzzer's own seed knows a message that opens.
    if assay_crypto::open(&secret, b"info", &Sealed(data.to_vec())).is_ok() {
        assert!(data == sealed().0, "an altered message opened");
    }
    if aead::decrypt(&FileKey([3; 32]), 4, b"aad", data).is_ok() {
        assert!(data == slice(), "an altered slice opened");
    }
    if let Some(key) = data.first_chunk::<32>()
        && let Ok(sealed) = assay_crypto::seal(&EncryptionKey(*key), b"info", data, [5; 32])
    {
        assert_eq!(sealed.0.len(), data.len() + SEAL_OVERHEAD);
    }
});
