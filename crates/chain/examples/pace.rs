//! How fast four validators on this machine agree: `pace [SECONDS]`.
//!
//! Runs a network in one process over loopback, with its databases in a temporary directory, and
//! prints three lines: time from submitting a transaction to its finality with an otherwise idle
//! chain, blocks per second without pacing, and transfers per second under load.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use assay_chain::{Chain, ChainConfig, Pace, deal, start};
use assay_crypto::SecretKey;
use assay_ledger::{
    AccountCall, Amount, BoundedBytes, BoundedString, BoundedVec, Genesis, GenesisAccount,
    GenesisRegistration, Parameters, Role, Transaction, ValidatorInfo,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    let duration = Duration::from_secs(seconds);
    let client = SecretKey::from_seed([99; 32]);

    let (genesis, chains, _dir) = network(&client, Pace::default())?;
    let mut times = Vec::new();
    for nonce in 0..40 {
        std::thread::sleep(Duration::from_millis(37));
        let mut blocks = chains[0].subscribe();
        let sent = Instant::now();
        let id = chains[0].submit(transfer(&genesis, &client, nonce).encode())?;
        while !blocks
            .blocking_recv()?
            .receipts
            .iter()
            .any(|receipt| receipt.tx == id)
        {}
        times.push(sent.elapsed());
    }
    times.sort();
    println!(
        "submit to final: median {:?}, worst {:?}",
        times[20], times[39]
    );
    stop(&chains);

    let none = Duration::from_millis(0);
    let unpaced = Pace {
        min_interval: none,
        block_interval: none,
        ..Pace::default()
    };
    let (_, chains, _dir) = network(&client, unpaced)?;
    let (from, began) = (chains[0].head().height.0, Instant::now());
    std::thread::sleep(duration);
    let blocks = chains[0].head().height.0 - from;
    println!(
        "empty blocks: {:.1} per second",
        blocks as f64 / began.elapsed().as_secs_f64()
    );
    stop(&chains);

    let (genesis, chains, _dir) = network(&client, Pace::default())?;
    let signed: Vec<_> = (0..20_000)
        .map(|n| transfer(&genesis, &client, n).encode())
        .collect();
    let (began, mut at) = (Instant::now(), 0);
    while began.elapsed() < duration && at < signed.len() {
        match chains[0].submit(signed[at].clone()) {
            Ok(_) => at += 1,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    let read = chains[0].read();
    let done = assay_ledger::query::account(read.as_ref(), &client.public())?.nonce;
    println!(
        "transfers: {:.0} per second",
        done as f64 / began.elapsed().as_secs_f64()
    );
    drop(read);
    stop(&chains);
    Ok(())
}

fn transfer(genesis: &Genesis, client: &SecretKey, nonce: u64) -> Transaction {
    let to = SecretKey::from_seed([98; 32]).public();
    let call = AccountCall::Transfer {
        to,
        amount: Amount(1),
    };
    Transaction::sign(client, genesis.chain_id(), nonce, Amount(10_000), call)
}

fn network(client: &SecretKey, pace: Pace) -> Outcome<(Genesis, Vec<Chain>, tempfile::TempDir)> {
    let mut secrets: Vec<_> = (1..=4u8)
        .map(|seed| SecretKey::from_seed([seed; 32]))
        .collect();
    secrets.sort_by_key(SecretKey::public);
    let keys: Vec<_> = secrets.iter().map(SecretKey::public).collect();
    let dealt = deal(&keys, [42; 32])?;
    let mut registrations = Vec::new();
    let mut validators = Vec::new();
    let mut listen = Vec::new();
    for secret in &secrets {
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        listen.push(free);
        let address = BoundedString::new(free.to_string())?;
        registrations.push(GenesisRegistration {
            account: secret.public(),
            role: Role::Validator,
            bond: Amount::tokens(100),
            encryption_key: secret.encryption().public(),
            address: address.clone(),
            offer: None,
        });
        validators.push(ValidatorInfo {
            account: secret.public(),
            address,
        });
    }
    let account = GenesisAccount {
        account: client.public(),
        balance: Amount::tokens(10_000),
    };
    let genesis = Genesis {
        chain_name: BoundedString::new("pace")?,
        timestamp_ms: 1_700_000_000_000,
        accounts: BoundedVec::new(vec![account])?,
        registrations: BoundedVec::new(registrations)?,
        parameters: Parameters::default(),
        owners: BoundedVec::default(),
        beacon_key: BoundedBytes::new(dealt.beacon_key)?,
        validators: BoundedVec::new(validators)?,
    };
    let dir = tempfile::tempdir()?;
    let mut chains = Vec::new();
    for ((secret, (_, share)), listen) in secrets.into_iter().zip(dealt.shares).zip(listen) {
        chains.push(start(ChainConfig {
            dir: dir.path().join(listen.port().to_string()),
            genesis: genesis.clone(),
            secret,
            share,
            listen,
            peers: Vec::new(),
            pace,
        })?);
    }
    let began = Instant::now();
    while chains.iter().any(|chain| chain.head().height.0 < 3) {
        if began.elapsed() > Duration::from_secs(20) {
            return Err("the validators did not find each other".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok((genesis, chains, dir))
}

fn stop(chains: &[Chain]) {
    for chain in chains {
        chain.stop();
    }
}
