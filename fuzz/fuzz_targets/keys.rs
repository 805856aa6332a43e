//! Keys, digests and signatures: one text each, and no signature over anything else.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use assay_crypto::{Digest, EncryptionKey, PublicKey, SecretKey, Signature};
use assay_fuzz::through_json;
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

const DOMAIN: &str = "assay/fuzz/v1";

fn seeds() -> Vec<Vec<u8>> {
    let secret = SecretKey::from_seed([1; 32]);
    let signature = secret.sign(DOMAIN, b"message");
    let signed = [&secret.public().0[..], &signature.0, b"message"].concat();
    vec![
        secret.public().to_string().into_bytes(),
        signature.to_string().into_bytes(),
        signed,
    ]
}

/// What parses is the one text of its value.
fn one_text<T>(text: &str)
where
    T: FromStr + Display + Serialize + DeserializeOwned + PartialEq + Debug,
{
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
        through_json(&value);
    }
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        one_text::<Digest>(text);
        one_text::<PublicKey>(text);
        one_text::<Signature>(text);
        one_text::<EncryptionKey>(text);
    }
    let Some((key, rest)) = data.split_first_chunk::<32>() else {
        return;
    };
    let key = PublicKey(*key);
    let usable = key.check().is_ok();
    let Some((signature, message)) = rest.split_first_chunk::<64>() else {
        return;
    };
    let signature = Signature(*signature);
    if key.verify(DOMAIN, message, &signature).is_ok() {
        assert!(usable, "verified under a key that nobody can hold");
        let longer = [message, b"."].concat();
        assert!(key.verify(DOMAIN, &longer, &signature).is_err());
        assert!(key.verify("assay/fuzz/v2", message, &signature).is_err());
    }
});
