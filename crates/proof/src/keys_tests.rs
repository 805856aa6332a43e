use assay_crypto::SecretKey;
use assay_ledger::{Amount, Counts, FileId, Height, Occasion, OrderId, RunIndex};

use super::*;

fn keys() -> OrderKeys {
    OrderKeys::new(vec![FileKey([1; 32]), FileKey([2; 32])], [7; 32])
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

fn provider(seed: u8) -> EncryptionSecret {
    SecretKey::from_seed([seed; 32]).encryption()
}

/// The keys of a run of the order by the usual provider.
fn run_keys(index: u32) -> RunKeys {
    let work = place(index, Occasion::Work);
    RunKeys::new(keys().for_provider(), &provider(5), &work)
}

#[test]
fn a_provider_recognises_the_keys_of_the_order() {
    let commitment = keys().commitment();
    assert!(keys().for_provider().match_terms(&commitment));
    let mut other = keys().for_provider();
    other.inputs[1] = FileKey([3; 32]);
    assert!(!other.match_terms(&commitment));
    other.inputs.pop();
    assert!(!other.match_terms(&commitment));
}

#[test]
fn no_two_checkpoints_share_a_key() {
    let others = [1, 2].map(|of| place(of, Occasion::Work));
    let elsewhere = Place {
        order: OrderId(Digest::of("another order", &[])),
        ..place(0, Occasion::Work)
    };
    let of = |seed, work: Place| RunKeys::new(keys().for_provider(), &provider(seed), &work);
    let mut runs = vec![
        run_keys(0),
        of(6, place(0, Occasion::Work)),
        of(5, elsewhere),
    ];
    runs.extend(others.map(|work| of(5, work)));
    let keys = |run: &RunKeys| [0, 1, 2, 3].map(|index| run.checkpoint(index).0);
    let mut all: Vec<[u8; 32]> = runs.iter().flat_map(keys).collect();
    all.extend(runs.iter().map(|run| run.result().0));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 25);
}

/// The place of the work is all that matters: a run is taken up again with the keys it was begun with.
#[test]
fn a_runs_keys_are_the_same_each_time() {
    assert_eq!(run_keys(1).checkpoint(2), run_keys(1).checkpoint(2));
    assert_eq!(run_keys(1).lock(), run_keys(1).lock());
    assert_eq!(run_keys(1).salt(), run_keys(1).salt());
    assert_ne!(run_keys(1).salt(), run_keys(2).salt());
}

/// A run that these keys are the provider's of, released to the requester.
fn delivered(of: &RunKeys, to: &OrderKeys) -> Run {
    let release = of.release(&to.delivery_key(), &[4; 32]).unwrap();
    let account = SecretKey::from_seed([5; 32]).public();
    let file = FileId(Digest::ZERO);
    Run {
        index: run(0),
        provider: account,
        owner: account,
        encryption_key: provider(5).public(),
        bond: Amount::ZERO,
        seed: None,
        at: Height(1),
        declined: None,
        commitment: None,
        trace: Some(Trace {
            root: Digest::ZERO,
            checkpoints: vec![file; 4],
            result: file,
            counts: Counts::default(),
            first_invalid: None,
            lock: of.lock(),
            at: Height(2),
        }),
        released: Some(release.released),
        released_at: Some(Height(3)),
        opened: Vec::new(),
        last: None,
        rounds: Vec::new(),
        last_resort: false,
        failed: None,
    }
}

#[test]
fn the_requester_reads_what_was_released_and_nothing_before() {
    let keys = keys();
    let work = place(0, Occasion::Work);
    let mut run = delivered(&run_keys(0), &keys);
    let key = keys.result(&run);
    assert_eq!(key, Some(run_keys(0).result()));
    let other = OrderKeys::new(keys.inputs().to_vec(), [8; 32]);
    assert_ne!(other.result(&run), key);
    let to = keys.delivery_key();
    // Both sides can show it to judges; a stranger to the order cannot.
    for judge in [keys.for_judge(&run), run_keys(0).for_judge()] {
        assert_eq!(judge.shown((&work, &run), &to), key);
    }
    for judge in [other.for_judge(&run), run_keys(1).for_judge()] {
        assert_eq!(judge.shown((&work, &run), &to), None);
    }
    let judge = keys.for_judge(&run);
    assert_eq!(judge.shown((&work, &run), &other.delivery_key()), None);
    run.released = None;
    assert_eq!(keys.result(&run), None);
    assert!(keys.for_judge(&run).shown.is_none());
}

#[test]
fn a_grant_opens_for_its_use_only() {
    let (grant, to) = grant(1);
    let granted = run_keys(1);
    let reader = granted.for_reader([0, 4]);
    let randomness = granted.randomness(&grant.to, &round(1));
    let sealed = grant
        .seal(&to.encryption().public(), &reader, randomness)
        .unwrap();
    let opened: ReaderKeys = grant.open(&to.encryption(), &sealed).unwrap();
    assert!(opened == reader);
    assert_eq!(opened.checkpoint(4), Some(&granted.checkpoint(4)));
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
    let granted = run_keys(0);
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
    assert!(grant.open::<InputKeys>(&to.encryption(), &sealed).is_none());
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
        "3b0309c4559fc8665906eb42d183813976867baf24c9076e690a211c7ccb7641"
    );
    let checkpoint = run_keys(1).checkpoint(2);
    assert_eq!(
        Digest(checkpoint.0).to_string(),
        "cc6e2f58c8c41e20f7e8bd1f577047e5a517766a0fae63975662d29addceaf5b"
    );
    let mut bytes = vec![2, 0, 0, 0];
    bytes.extend([1; 32]);
    bytes.extend([2; 32]);
    assert_eq!(borsh::to_vec(&keys().for_provider()).unwrap(), bytes);
    let reader = run_keys(1).for_reader([3]);
    bytes.extend([1, 0, 0, 0, 3, 0, 0, 0]);
    bytes.extend(run_keys(1).checkpoint(3).0);
    bytes.extend([0, 0]);
    assert_eq!(borsh::to_vec(&reader).unwrap(), bytes);
}
