//! Strangers fill the pools of four validators; who pays, or has to move, is heard all the same.

use std::time::Instant;

use assay_chain::{Chain, SubmitError};
use assay_crypto::SecretKey;
use assay_ledger::{AccountCall, Amount, GenesisAccount, MAX_TX_BYTES, Transaction};

use crate::support::{Network, assert_no_fork, client, key, stop_all, wait_height, wait_included};

/// Blocks within which a paying transfer must be final.
const WITHIN: u64 = 10;

/// Accounts that spam: 2,048 with `ASSAY_CASES` as `cargo xtask full` sets it.
fn spammers() -> Vec<SecretKey> {
    let cases = std::env::var("ASSAY_CASES").ok();
    let cases: u32 = cases.and_then(|text| text.parse().ok()).unwrap_or(128);
    let key = |n: u32| {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&n.to_le_bytes());
        SecretKey::from_seed(seed)
    };
    (0..cases.clamp(1, 2_048)).map(key).collect()
}

fn network(spammers: &[SecretKey]) -> Network {
    let account = |secret: &SecretKey| GenesisAccount {
        account: secret.public(),
        balance: Amount::tokens(1),
    };
    Network::with(spammers.iter().map(account).collect())
}

fn transfer(network: &Network, from: &SecretKey, nonce: u64, fee: u64) -> Vec<u8> {
    let call = AccountCall::Transfer {
        to: key(200).public(),
        amount: Amount(1),
    };
    let id = network.genesis.chain_id();
    Transaction::sign(from, id, nonce, Amount(fee), call).encode()
}

/// The least fee for a transfer.
fn least(network: &Network) -> u64 {
    let length = transfer(network, &client(), 0, 0).len();
    network.genesis.parameters.min_fee(length).0
}

/// A transfer that pays ten times the least fee is final within a few blocks.
fn a_paying_transfer_passes(network: &Network, chains: &[Chain]) {
    let began = (chains[0].head().height.0, Instant::now());
    let paying = transfer(network, &client(), 0, 10 * least(network));
    let id = chains[0].submit(paying).unwrap();
    let height = wait_included(&chains[0], &id).0;
    println!(
        "final {} blocks later, in {:?}, {} still waiting",
        height - began.0,
        began.1.elapsed(),
        chains[0].waiting()
    );
    assert!(
        height <= began.0 + WITHIN,
        "final only at {height}, from {}",
        began.0
    );
}

/// With the first nonce missing nothing could ever be made to pay: nothing is kept.
#[test]
fn transactions_with_a_gap_take_no_place() {
    let spammers = spammers();
    let network = network(&spammers[..8.min(spammers.len())]);
    let chains = network.start_all();
    wait_height(&chains.iter().collect::<Vec<_>>(), 1);
    let fee = least(&network);
    let count = 32_768 / 8;
    let began = Instant::now();
    let mut refused = 0;
    for (at, spammer) in spammers.iter().take(8).enumerate() {
        for nonce in 1..=count {
            match chains[at % 4].submit(transfer(&network, spammer, nonce, fee)) {
                Err(SubmitError::Gap { expected: 0, .. }) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    println!("{refused} refused in {:?}", began.elapsed());
    assert!(chains.iter().all(|chain| chain.waiting() == 0));
    a_paying_transfer_passes(&network, &chains);
    stop_all(&chains);
}

/// Accounts with money fill every place at the least fee, and fill it again as blocks go by.
#[test]
fn a_pool_full_at_the_least_fee_does_not_keep_a_paying_transfer_out() {
    let spammers = spammers();
    let network = network(&spammers);
    let chains = network.start_all();
    wait_height(&chains.iter().collect::<Vec<_>>(), 1);
    let fee = least(&network);
    let began = Instant::now();
    let signed: Vec<Vec<Vec<u8>>> = spammers
        .iter()
        .map(|from| {
            (0..16)
                .map(|nonce| transfer(&network, from, nonce, fee))
                .collect()
        })
        .collect();
    println!("{} signed in {:?}", 16 * signed.len(), began.elapsed());
    let began = Instant::now();
    let taken: usize = std::thread::scope(|scope| {
        let chunks: Vec<_> = (0..4)
            .map(|part| {
                let (chain, signed) = (&chains[part], &signed);
                scope.spawn(move || {
                    let mine = signed.iter().skip(part).step_by(4).flatten();
                    let full = |error: &SubmitError| {
                        matches!(error, SubmitError::Full { .. } | SubmitError::Gap { .. })
                    };
                    mine.filter(|encoded| match chain.submit(encoded.to_vec()) {
                        Ok(_) => true,
                        Err(error) if full(&error) => false,
                        Err(error) => panic!("{error}"),
                    })
                    .count()
                })
            })
            .collect();
        chunks.into_iter().map(|chunk| chunk.join().unwrap()).sum()
    });
    println!(
        "{taken} taken in {:?}, {} waiting",
        began.elapsed(),
        chains[0].waiting()
    );
    a_paying_transfer_passes(&network, &chains);
    assert!(assert_no_fork(&chains.iter().collect::<Vec<_>>()) > 0);
    stop_all(&chains);
}

/// What an account cannot pay for, counting all that it has waiting, takes no place.
#[test]
fn one_balance_does_not_pay_for_sixteen_places() {
    let poor = key(150);
    let network = Network::with(vec![GenesisAccount {
        account: poor.public(),
        balance: Amount(0),
    }]);
    let fee = least(&network);
    let network = Network::with(vec![GenesisAccount {
        account: poor.public(),
        balance: Amount(3 * fee + fee / 2),
    }]);
    let chains = [network.start(0)];
    // Alone it makes no block, so that all stays in the pool.
    for nonce in 0..3 {
        chains[0]
            .submit(transfer(&network, &poor, nonce, fee))
            .unwrap();
    }
    match chains[0].submit(transfer(&network, &poor, 3, fee)) {
        Err(SubmitError::Unaffordable { sum, .. }) => assert_eq!(sum, Amount(4 * fee)),
        other => panic!("{other:?}"),
    }
    // The place of one that waits costs a tenth more, and the refusal says how much.
    let Err(SubmitError::NonceTaken {
        nonce: 0,
        fee: more,
    }) = chains[0].submit(transfer(&network, &poor, 0, fee + 1))
    else {
        panic!("replaced for a micro-token more");
    };
    assert!(more >= Amount(fee + fee / 10));
    chains[0]
        .submit(transfer(&network, &poor, 0, more.0))
        .unwrap();
    assert_eq!(chains[0].waiting(), 3);
    assert!(fee > 0 && transfer(&network, &poor, 0, fee).len() < MAX_TX_BYTES);
    stop_all(&chains);
}
