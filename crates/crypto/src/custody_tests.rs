#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn secrets(custodians: usize) -> Vec<EncryptionSecret> {
    let seed = |index: usize| Digest::of("test/custodian", &[&index.to_le_bytes()]).0;
    (0..custodians)
        .map(|index| EncryptionSecret::from_seed(&seed(index)))
        .collect()
}

fn keys(secrets: &[EncryptionSecret]) -> Vec<EncryptionKey> {
    secrets.iter().map(EncryptionSecret::public).collect()
}

fn of(name: &str) -> Digest {
    Digest::of("test/order", &[name.as_bytes()])
}

/// A dealing, and every share of it.
fn dealt(seed: u8, threshold: usize, custodians: usize) -> (Dealing, Vec<(usize, KeyShare)>) {
    let secrets = secrets(custodians);
    let dealer = CustodySecret::from_seed(&[seed; 32]);
    let dealing = dealer.deal(&of("a"), threshold, &keys(&secrets)).unwrap();
    let shares = secrets.iter().enumerate();
    let shares = shares.map(|(i, secret)| (i, dealing.share(&of("a"), i, secret).unwrap()));
    let shares = shares.collect();
    (dealing, shares)
}

#[test]
fn the_bytes_of_a_dealing_stay_as_they_are() {
    let (dealing, shares) = dealt(1, 2, 4);
    assert_eq!(dealing.check(2, 4), Ok(()));
    let bytes = borsh::to_vec(&(&dealing, &shares[0].1)).unwrap();
    assert_eq!(
        Digest::of("golden", &[&bytes]).to_string(),
        "5ab0427afa22b3b57a0765f02822788bded64eeeaf5464c6fbf0ae0696378ef2"
    );
    let json = serde_json::to_string(&shares[0].1).unwrap();
    assert_eq!(
        serde_json::from_str::<KeyShare>(&json).unwrap(),
        shares[0].1
    );
    assert!(serde_json::from_str::<KeyShare>(&json.to_uppercase()).is_err());
    assert_eq!(format!("{:?}", shares[0].1), "KeyShare");
}

#[test]
fn a_dealer_deals_the_same_twice_and_another_thing_for_another_use() {
    let keys = keys(&secrets(4));
    let dealer = CustodySecret::from_seed(&[1; 32]);
    let first = dealer.deal(&of("a"), 2, &keys).unwrap();
    assert_eq!(dealer.deal(&of("a"), 2, &keys).unwrap(), first);
    let second = dealer.deal(&of("b"), 2, &keys).unwrap();
    assert_eq!(first.points[0], second.points[0], "it is the same key");
    assert_ne!(first.points[1], second.points[1]);
    assert_ne!(first.sealed[0], second.sealed[0]);
    assert_eq!(dealer.commitment(), first.points[0]);
    assert!(dealer.key().is_of(&first.points[0]));
    assert!(!dealer.key().is_of(&first.points[1]));
    assert!(!dealer.key().is_of(&CustodyPoint([0; 32])));
}

#[test]
fn a_share_opens_to_its_custodian_alone_and_for_its_use_alone() {
    let secrets = secrets(4);
    let dealer = CustodySecret::from_seed(&[1; 32]);
    let dealing = dealer.deal(&of("a"), 2, &keys(&secrets)).unwrap();
    for (index, secret) in secrets.iter().enumerate() {
        for at in 0..6 {
            let opened = dealing.share(&of("a"), at, secret);
            assert_eq!(opened.is_some(), at == index, "{index} at {at}");
        }
        // What was sealed for one order, or under one dealing, is rubbish in another.
        assert_eq!(dealing.share(&of("b"), index, secret), None);
        let mut replayed = dealer.deal(&of("b"), 2, &keys(&secrets)).unwrap();
        replayed.sealed.clone_from(&dealing.sealed);
        assert_eq!(replayed.share(&of("b"), index, secret), None);
        assert_eq!(replayed.share(&of("a"), index, secret), None);
    }
}

#[test]
fn a_dealer_that_seals_another_share_is_seen_by_whom_it_is_sealed_to() {
    let secrets = secrets(4);
    let dealer = CustodySecret::from_seed(&[1; 32]);
    let mut dealing = dealer.deal(&of("a"), 2, &keys(&secrets)).unwrap();
    let info = sealed_for(&of("a"), 1, &dealing.points);
    // A scalar, but not the value of the polynomial; no scalar; too long; and rubbish.
    let other = Scalar::from(7_u64).to_bytes();
    for plain in [&other[..], &[0xff; 32], &[1; 33], &[]] {
        dealing.sealed[1] = seal(&secrets[1].public(), &info, plain, [9; 32]).unwrap();
        assert_eq!(dealing.share(&of("a"), 1, &secrets[1]), None);
        assert!(dealing.share(&of("a"), 0, &secrets[0]).is_some());
    }
    dealing.sealed[1] = Sealed(vec![1; SEALED_SHARE]);
    assert_eq!(dealing.check(2, 4), Ok(()), "nobody else can see it");
    assert_eq!(dealing.share(&of("a"), 1, &secrets[1]), None);
}

#[test]
fn what_is_no_dealing_is_refused_with_what_is_wrong() {
    let (good, _) = dealt(1, 2, 4);
    let refused = |change: &dyn Fn(&mut Dealing)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad.check(2, 4).unwrap_err()
    };
    let found = refused(&|bad| bad.points.truncate(1));
    assert!(matches!(found, BadDealing::Points { found: 1, .. }));
    let found = refused(&|bad| bad.sealed.truncate(3));
    assert!(matches!(found, BadDealing::Shares { found: 3, .. }));
    let found = refused(&|bad| bad.points[1] = CustodyPoint([0; 32]));
    assert_eq!(found, BadDealing::Point(CustodyPoint([0; 32])));
    let found = refused(&|bad| bad.points[0] = CustodyPoint([0xff; 32]));
    assert_eq!(found, BadDealing::Point(CustodyPoint([0xff; 32])));
    let found = refused(&|bad| bad.sealed[3].0.truncate(79));
    assert_eq!(found, BadDealing::Length(79));
    let keys = keys(&secrets(4));
    let dealer = CustodySecret::from_seed(&[1; 32]);
    for threshold in [0, 5] {
        let found = dealer.deal(&of("a"), threshold, &keys);
        assert!(matches!(found, Err(BadDealing::Threshold { .. })));
        assert!(good.check(threshold, 4).is_err());
    }
    let many = vec![keys[0]; MOST_CUSTODIANS + 1];
    assert!(dealer.deal(&of("a"), 2, &many).is_err());
    let none = [EncryptionKey([0; 32])];
    assert!(matches!(
        dealer.deal(&of("a"), 1, &none),
        Err(BadDealing::Key(_))
    ));
}

/// Whatever the key is, there are shares of the others with which it fits what so many know.
#[test]
fn one_share_less_than_opens_it_fits_every_key_equally_well() {
    for (threshold, custodians) in [(2, 4), (3, 7), (4, 10)] {
        let (dealing, shares) = dealt(3, threshold, custodians);
        let known: Vec<_> = shares[..threshold - 1]
            .iter()
            .map(|(index, share)| (place(*index), share.scalar().unwrap()))
            .collect();
        for guess in 0..32_u64 {
            let guessed = Scalar::from(guess);
            // The share of the last custodian with which the guess would be the key.
            let last = place(custodians - 1);
            let mut all = known.clone();
            all.push((last, Scalar::ZERO));
            let without = at_zero(&all);
            all.last_mut().unwrap().1 = Scalar::ONE;
            let weight = at_zero(&all) - without;
            all.last_mut().unwrap().1 = (guessed - without) * weight.invert();
            assert_eq!(at_zero(&all), guessed);
        }
        assert_eq!(
            CustodyKey::open(&dealing.points, &shares[..threshold - 1]),
            None
        );
    }
}

/// Cases of these tests; `ASSAY_CASES` sets how many.
fn cases() -> ProptestConfig {
    let cases = std::env::var("ASSAY_CASES").ok();
    ProptestConfig::with_cases(cases.and_then(|of| of.parse().ok()).unwrap_or(24))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_shares_that_are_enough_open_the_key_and_fewer_do_not(
        seed in any::<u8>(),
        liars in 0_usize..5,
        order in Just((0..16_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let (threshold, custodians) = (liars + 1, 3 * liars + 1);
        let (dealing, shares) = dealt(seed, threshold, custodians);
        let key = CustodySecret::from_seed(&[seed; 32]).key();
        let chosen = order.into_iter().filter(|index| *index < custodians);
        let chosen: Vec<_> = chosen.map(|index| shares[index].clone()).collect();
        for count in 0..=custodians {
            let opened = CustodyKey::open(&dealing.points, &chosen[..count]);
            prop_assert_eq!(opened.as_ref(), (count >= threshold).then_some(&key));
        }
    }

    #[test]
    fn lies_among_the_shares_neither_count_nor_change_the_key(
        seed in any::<u8>(),
        lies in proptest::collection::vec((0_usize..12, any::<[u8; 32]>()), 0..8),
        flip in (0_usize..7, 0_usize..256),
        first in any::<bool>(),
    ) {
        let (dealing, shares) = dealt(seed, 3, 7);
        let key = CustodySecret::from_seed(&[seed; 32]).key();
        let (index, bit) = flip;
        let mut flipped = shares[index].1.clone();
        flipped.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!flipped.is_of(&dealing.points, index));
        let mut bad: Vec<_> = lies.into_iter().map(|(at, of)| (at, KeyShare(of))).collect();
        // A share of another custodian's, of another dealing, and one that comes twice.
        bad.push((index, flipped));
        bad.push((index, shares[(index + 1) % 7].1.clone()));
        bad.push((index, dealt(seed.wrapping_add(1), 3, 7).1[index].1.clone()));
        bad.push(shares[0].clone());
        bad.push(shares[0].clone());
        bad.push(shares[1].clone());
        prop_assert_eq!(CustodyKey::open(&dealing.points, &bad), None);
        let good = shares[2..5].to_vec();
        let all = match first {
            true => [good, bad].concat(),
            false => [bad, good].concat(),
        };
        prop_assert_eq!(CustodyKey::open(&dealing.points, &all), Some(key));
    }
}
