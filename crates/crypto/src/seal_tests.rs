use proptest::prelude::*;

use super::*;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

/// RFC 9180, appendix A.2.1: base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305, sequence 0.
#[test]
fn rfc9180_vector() {
    let recipient = EncryptionSecret::from_seed(&bytes(
        "1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df",
    ));
    assert_eq!(
        recipient.public(),
        EncryptionKey(bytes(
            "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a"
        ))
    );
    let sealed = seal_with_aad(
        &recipient.public(),
        &hex::decode("4f6465206f6e2061204772656369616e2055726e").unwrap(),
        b"Beauty is truth, truth beauty",
        b"Count-0",
        bytes("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b"),
    )
    .unwrap();
    let (key, ciphertext) = sealed.0.split_at(ENCAPSULATED);
    assert_eq!(
        hex::encode(key),
        "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
    );
    assert_eq!(
        hex::encode(ciphertext),
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
    );
}

#[test]
fn key_context_and_every_byte_matter() {
    let secret = EncryptionSecret::from_seed(&[1; 32]);
    let sealed = seal(&secret.public(), b"order", b"the file key", [9; 32]).unwrap();
    assert_eq!(sealed.0.len(), b"the file key".len() + SEAL_OVERHEAD);
    assert_eq!(open(&secret, b"order", &sealed).unwrap(), b"the file key");
    assert_eq!(open(&secret, b"other", &sealed), Err(OpenError));
    assert_eq!(
        open(&EncryptionSecret::from_seed(&[2; 32]), b"order", &sealed),
        Err(OpenError)
    );
    for at in 0..sealed.0.len() {
        let mut damaged = sealed.clone();
        damaged.0[at] ^= 4;
        assert_eq!(
            open(&secret, b"order", &damaged),
            Err(OpenError),
            "byte {at}"
        );
        damaged.0.truncate(at);
        assert_eq!(
            open(&secret, b"order", &damaged),
            Err(OpenError),
            "cut at {at}"
        );
    }
}

#[test]
fn small_order_key_is_refused() {
    let zero = EncryptionKey([0; 32]);
    assert_eq!(seal(&zero, b"", b"x", [1; 32]), Err(SealError { to: zero }));
}

#[test]
fn one_seed_gives_unrelated_signing_and_encryption_keys() {
    let account = crate::SecretKey::from_seed([5; 32]);
    let sealed = seal(&account.encryption().public(), b"", b"hi", [1; 32]).unwrap();
    assert_eq!(open(&account.encryption(), b"", &sealed).unwrap(), b"hi");
    assert_ne!(
        account.encryption().public(),
        EncryptionSecret::from_seed(&[5; 32]).public()
    );
}

proptest! {
    #[test]
    fn opens_what_was_sealed(seed: [u8; 32], rng: [u8; 32], info: Vec<u8>, text: Vec<u8>) {
        let secret = EncryptionSecret::from_seed(&seed);
        let sealed = seal(&secret.public(), &info, &text, rng).unwrap();
        prop_assert_eq!(open(&secret, &info, &sealed).unwrap(), text);
    }

    #[test]
    fn never_panics_on_bytes(seed: [u8; 32], bytes: Vec<u8>) {
        let secret = EncryptionSecret::from_seed(&seed);
        prop_assert_eq!(open(&secret, b"", &Sealed(bytes)), Err(OpenError));
    }
}
