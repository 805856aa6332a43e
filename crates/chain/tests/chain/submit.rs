//! Transactions and configurations that must be refused, with a reason.

use assay_chain::{Pace, Peer, StartError, StoreError, SubmitError, ThresholdShare, start};
use assay_ledger::{AccountCall, Amount, ChainId, Height, Invalid, MAX_TX_BYTES, Transaction};

use crate::support::{Network, bring, client, key, stop_all, wait_for, wait_included};

#[test]
fn bad_transactions_are_refused_and_good_ones_still_pass() {
    let network = Network::new();
    let chains = network.start_all();
    let chain = &chains[0];
    let to = key(200).public();
    let good = network.transfer(0, to, 7);
    let sign = |secret, chain_id, nonce, fee, amount: u64| {
        Transaction::sign(
            &secret,
            chain_id,
            nonce,
            Amount(fee),
            AccountCall::Transfer {
                to,
                amount: Amount(amount),
            },
        )
        .encode()
    };
    let id = network.genesis.chain_id();

    let malformed = |bytes: Vec<u8>| {
        assert!(matches!(
            chain.submit(bytes),
            Err(SubmitError::Malformed(_))
        ));
    };
    malformed(Vec::new());
    malformed(vec![0xff; 100]);
    malformed(vec![0; MAX_TX_BYTES + 1]);
    malformed([good.encode(), vec![0]].concat());

    let mut tampered = good.clone();
    tampered.call = AccountCall::Transfer {
        to,
        amount: Amount(8),
    }
    .into();
    let invalid = |bytes: Vec<u8>| match chain.submit(bytes) {
        Err(SubmitError::Invalid(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(invalid(tampered.encode()), Invalid::Signature);
    let other = ChainId(assay_crypto::Digest::of("other", &[]));
    assert!(matches!(
        invalid(sign(client(), other, 0, 10_000, 7)),
        Invalid::OtherChain { .. }
    ));
    assert!(matches!(
        invalid(sign(client(), id, 0, 1, 7)),
        Invalid::FeeTooLow { .. }
    ));
    assert!(matches!(
        invalid(sign(key(150), id, 0, 10_000, 7)),
        Invalid::FeeUnaffordable { .. }
    ));
    // What has nothing before it is not kept: it would take a place for nothing.
    for nonce in [1, 3, 1 << 40] {
        match chain.submit(sign(client(), id, nonce, 10_000, 7)) {
            Err(SubmitError::Gap { expected: 0, found }) => assert_eq!(found, nonce),
            other => panic!("{other:?}"),
        }
    }
    let first = chain.submit(good.encode()).unwrap();
    assert_eq!(
        chain.submit(good.encode()).unwrap(),
        first,
        "submitting again is harmless"
    );
    wait_included(chain, &first);
    let more: Vec<_> = (1..6)
        .map(|nonce| bring(&chains[nonce as usize % 2], &network.transfer(nonce, to, 1)))
        .collect();
    // Every chain, not only the one that was asked: one that is behind takes a replay for new.
    for chain in &chains {
        for id in &more {
            wait_included(chain, id);
        }
    }
    // Replays of what was included.
    wait_for("all pools to notice", || {
        chains.iter().all(|chain| chain.waiting() == 0)
    });
    for chain in &chains {
        match chain.submit(good.encode()) {
            Err(SubmitError::Invalid(Invalid::Nonce { found: 0, .. })) => {}
            other => panic!("a replay gave {other:?}"),
        }
    }
    stop_all(&chains);
    assert!(matches!(
        chains[0].submit(network.transfer(6, to, 1).encode()),
        Err(SubmitError::Stopped | SubmitError::Unread(_))
    ));
    // A database that is gone is an error, and never a missing block.
    assert!(matches!(
        chains[0].block(Height(1)),
        Err(StoreError::Closed)
    ));
    assert!(matches!(
        chains[0].transaction(&first),
        Err(StoreError::Closed)
    ));
}

#[test]
fn bad_configurations_are_refused() {
    let network = Network::new();
    let mut config = network.config(0);
    config.secret = key(77);
    assert!(matches!(start(config), Err(StartError::NotAValidator(_))));

    let mut config = network.config(0);
    config.share = network.config(1).share;
    assert!(matches!(start(config), Err(StartError::WrongShare)));

    let mut config = network.config(0);
    config.genesis.beacon_key = assay_ledger::BoundedBytes::new([9; 100]).unwrap();
    assert!(matches!(start(config), Err(StartError::Committee(_))));

    let mut config = network.config(0);
    config.peers = vec![Peer {
        key: key(2).public(),
        address: "no port".to_owned(),
    }];
    assert!(matches!(start(config), Err(StartError::Address(_))));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = network.config(0);
    config.listen = taken.local_addr().unwrap();
    assert!(matches!(start(config), Err(StartError::Listen { .. })));

    let mut config = network.config(0);
    config.dir = "/dev/null/chain".into();
    assert!(matches!(start(config), Err(StartError::Directory { .. })));

    assert!(ThresholdShare::from_bytes(&[1, 2, 3]).is_err());
    let share = network.config(0).share;
    assert!(ThresholdShare::from_bytes(&share.to_bytes()).is_ok());
    assert_eq!(format!("{share:?}"), "ThresholdShare(..)");

    // A directory belongs to one network, and to one process at a time.
    let first = network.start(0);
    let mut config = network.config(0);
    config.listen = crate::support::free_addresses::<1>()[0];
    assert!(matches!(
        start(config),
        Err(StartError::Store(StoreError::InUse))
    ));
    first.stop();
    let other = Network::new();
    let mut config = other.config(0);
    config.dir = network.dir(0);
    config.pace = Pace::default();
    match start(config) {
        Err(error @ StartError::Store(StoreError::Genesis { .. })) => {
            assert!(error.to_string().contains("database"));
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("started on another network's directory"),
    }
}
