use assay_crypto::SecretKey;
use assay_ledger::{Occasion, OrderId};

use super::*;

fn keys() -> OrderKeys {
    OrderKeys::new(vec![FileKey([1; 32]), FileKey([2; 32])], [7; 32], 3)
}

fn run(index: u32) -> RunIndex {
    RunIndex(index)
}

fn place(index: u32, occasion: Occasion) -> Place {
    Place {
        order: OrderId(Digest::of("order", &[])),
        run: run(index),
        occasion,
    }
}

fn round(number: u16) -> Place {
    place(0, Occasion::Round(number))
}

fn grant(index: u32) -> (GrantUse, SecretKey) {
    let to = SecretKey::from_seed([9; 32]);
    let grant = GrantUse {
        place: place(index, Occasion::Work),
        from: SecretKey::from_seed([8; 32]).public(),
        to: to.public(),
    };
    (grant, to)
}

#[test]
fn a_provider_recognises_the_keys_of_the_order() {
    let commitment = keys().commitment();
    for index in 0..3 {
        let granted = keys().for_provider(run(index));
        assert!(granted.match_terms(&commitment, run(index)));
        assert!(!granted.match_terms(&commitment, run(index + 1)));
        assert_eq!(granted.checkpoint(5), keys().checkpoint(run(index), 5));
    }
    assert!(!keys().for_provider(run(3)).match_terms(&commitment, run(3)));

    let mut other_input = keys().for_provider(run(0));
    other_input.inputs[1] = FileKey([3; 32]);
    assert!(!other_input.match_terms(&commitment, run(0)));
    let mut other_secret = keys().for_provider(run(0));
    other_secret.secret = [0; 32];
    assert!(!other_secret.match_terms(&commitment, run(0)));
}

#[test]
fn no_two_checkpoints_share_a_key() {
    let keys = keys();
    let mut all: Vec<[u8; 32]> = (0..3)
        .flat_map(|of| (0..4).map(move |index| (of, index)))
        .map(|(of, index)| keys.checkpoint(run(of), index).0)
        .collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 12);
}

#[test]
fn a_grant_opens_for_its_use_only() {
    let (grant, to) = grant(1);
    let granted = keys().for_provider(run(1));
    let reader = granted.for_reader([0, 4]);
    let randomness = granted.randomness(&grant.to, &round(1));
    let sealed = grant
        .seal(&to.encryption().public(), &reader, randomness)
        .unwrap();
    let opened: ReaderKeys = grant.open(&to.encryption(), &sealed).unwrap();
    assert!(opened == reader);
    assert_eq!(opened.checkpoint(4), Some(&keys().checkpoint(run(1), 4)));
    assert_eq!(opened.checkpoint(1), None);

    for place in [place(2, Occasion::Work), place(1, Occasion::Round(0))] {
        let other = GrantUse { place, ..grant };
        let opened = other.open::<ReaderKeys>(&to.encryption(), &sealed);
        assert!(opened.is_none());
    }
    let stranger = SecretKey::from_seed([1; 32]).encryption();
    assert!(grant.open::<ReaderKeys>(&stranger, &sealed).is_none());
}

#[test]
fn sealing_again_under_the_witness_gives_the_same_bytes() {
    let (grant, to) = grant(0);
    let granted = keys().for_provider(run(0));
    let seal = |keys: &ReaderKeys, randomness| {
        grant
            .seal(&to.encryption().public(), keys, randomness)
            .unwrap()
    };
    let first = seal(
        &granted.for_reader([2]),
        granted.randomness(&grant.to, &round(1)),
    );
    let again = seal(
        &granted.for_reader([2]),
        granted.randomness(&grant.to, &round(1)),
    );
    assert!(first == again);
    assert!(
        first
            != seal(
                &granted.for_reader([3]),
                granted.randomness(&grant.to, &round(1))
            )
    );
    assert!(
        first
            != seal(
                &granted.for_reader([2]),
                granted.randomness(&grant.to, &round(2))
            )
    );
}

#[test]
fn garbage_in_a_grant_is_refused() {
    let (grant, to) = grant(0);
    let sealed = grant
        .seal(&to.encryption().public(), &vec![255u8; 40], [1; 32])
        .unwrap();
    assert!(
        grant
            .open::<ReaderKeys>(&to.encryption(), &sealed)
            .is_none()
    );
    assert!(
        grant
            .open::<ProviderKeys>(&to.encryption(), &sealed)
            .is_none()
    );
    assert!(
        grant
            .open::<ReaderKeys>(&to.encryption(), &SealedKeys::new([0; 5]).unwrap())
            .is_none()
    );
}

#[test]
fn commitments_and_keys_keep_their_bytes() {
    assert_eq!(
        keys().commitment().to_string(),
        "bdca9792ec11db6bc2a22a83562f72f3c0f48cdfa7fb21067f1e4fad573453af"
    );
    assert_eq!(
        Digest(keys().checkpoint(run(1), 2).0).to_string(),
        "ecb52584705761c2e8d7de5ee86ef944fc79780c21d802b602326e4cd3bb0eea"
    );
    let granted = borsh::to_vec(&keys().for_provider(run(1))).unwrap();
    assert_eq!(
        Digest::of("test", &[&granted]).to_string(),
        "a5f40c73b13bf795ebec12e8e4eded444f943053f38471dfb1d20afe6e4cc5dc"
    );
    let reader = keys().for_provider(run(1)).for_reader([3]);
    let mut bytes = vec![2, 0, 0, 0];
    bytes.extend([1; 32]);
    bytes.extend([2; 32]);
    bytes.extend([1, 0, 0, 0, 3, 0, 0, 0]);
    bytes.extend(keys().checkpoint(run(1), 3).0);
    bytes.push(0);
    assert_eq!(borsh::to_vec(&reader).unwrap(), bytes);
}
