use proptest::prelude::*;

use super::*;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

/// RFC 8032, section 7.1, tests 1 and 3.
#[test]
fn rfc8032_vectors() {
    let vectors = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (seed, public, message, signature) in vectors {
        let secret = SecretKey::from_seed(bytes(seed));
        assert_eq!(secret.public(), PublicKey(bytes(public)));
        let message = hex::decode(message).unwrap();
        let expected = Signature(bytes(signature));
        assert_eq!(secret.0.sign(&message).to_bytes(), expected.0);
        assert_eq!(secret.public().verify_bytes(&message, &expected), Ok(()));
    }
}

#[test]
fn golden_signature() {
    let secret = SecretKey::from_seed([7; 32]);
    assert_eq!(
        Digest::of("golden", &[&secret.sign("assay/test/v1", b"hello").0]).to_string(),
        "a6ca0ca278dba79390280483c47929702dff81fb27f9f9f86f2f91b7b9e7f418"
    );
}

#[test]
fn domain_message_key_and_bits_matter() {
    let secret = SecretKey::from_seed([1; 32]);
    let public = secret.public();
    let signature = secret.sign("a", b"hello");
    assert_eq!(public.verify("a", b"hello", &signature), Ok(()));
    assert_eq!(public.verify("b", b"hello", &signature), Err(BadSignature));
    assert_eq!(public.verify("a", b"hallo", &signature), Err(BadSignature));
    let other = SecretKey::from_seed([2; 32]).public();
    assert_eq!(other.verify("a", b"hello", &signature), Err(BadSignature));
    for bit in 0..512 {
        let mut damaged = signature;
        damaged.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            public.verify("a", b"hello", &damaged),
            Err(BadSignature),
            "bit {bit}"
        );
    }
}

/// s + l is congruent to s, but only s below l counts.
#[test]
fn unreduced_scalar_is_refused() {
    let order = bytes::<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let secret = SecretKey::from_seed([3; 32]);
    let mut signature = secret.sign("a", b"m");
    let mut carry = 0u16;
    for (byte, add) in signature.0[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(
        secret.public().verify("a", b"m", &signature),
        Err(BadSignature)
    );
}

#[test]
fn odd_points_are_no_keys() {
    let identity = "0100000000000000000000000000000000000000000000000000000000000000";
    let order_two = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    // y = p + 4: a non-canonical name of the point with y = 4, which is of full order.
    let not_canonical = "f1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    let canonical = "0400000000000000000000000000000000000000000000000000000000000000";
    for odd in [identity, order_two, not_canonical] {
        assert_eq!(PublicKey(bytes(odd)).check(), Err(BadPublicKey), "{odd}");
    }
    assert!(VerifyingKey::from_bytes(&bytes(not_canonical)).is_ok());
    let signed_zero = "0100000000000000000000000000000000000000000000000000000000000080";
    assert_eq!(PublicKey(bytes(signed_zero)).check(), Err(BadPublicKey));
    assert_eq!(PublicKey(bytes(canonical)).check(), Ok(()));
}

#[test]
fn secrets_do_not_print() {
    let secret = SecretKey::from_seed([0xab; 32]);
    assert!(!format!("{secret:?}").contains("abab"));
}

proptest! {
    #[test]
    fn signs_and_verifies(seed: [u8; 32], message: Vec<u8>) {
        let secret = SecretKey::from_seed(seed);
        prop_assert_eq!(SecretKey::from_seed(*secret.seed()).public(), secret.public());
        let signature = secret.sign("p", &message);
        prop_assert_eq!(secret.public().verify("p", &message, &signature), Ok(()));
    }

    #[test]
    fn a_key_has_one_name(mut low: [u8; 32], near_top: bool) {
        if near_top {
            low[1..].fill(0xff);
        }
        let reencoded = VerifyingKey::from_bytes(&low)
            .is_ok_and(|key| !key.is_weak() && key.to_edwards().compress().to_bytes() == low);
        prop_assert_eq!(PublicKey(low).check().is_ok(), reencoded);
    }

    #[test]
    fn never_panics_on_bytes(key: [u8; 32], low: [u8; 32], high: [u8; 32], message: Vec<u8>) {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&low);
        signature[32..].copy_from_slice(&high);
        let verdict = PublicKey(key).verify("p", &message, &Signature(signature));
        prop_assert_eq!(verdict, Err(BadSignature));
    }
}
