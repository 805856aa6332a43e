//! One validator of a development network as a process of its own.
//!
//! ```text
//! validator DIR INDEX ADDRESS,ADDRESS,...
//! ```
//!
//! Every process derives the same genesis, keys and threshold shares from fixed seeds, so they
//! are anybody's: never use them for a network that matters. The process keeps its chain in
//! `DIR/INDEX` and writes the height it has reached to `DIR/INDEX.height`.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use assay_chain::{ChainConfig, Pace, deal, start};
use assay_crypto::SecretKey;
use assay_ledger::{
    Amount, BoundedBytes, BoundedString, BoundedVec, Genesis, GenesisRegistration, Parameters,
    Role, ValidatorInfo,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |name: &str| {
        arguments
            .next()
            .ok_or(format!("argument {name} is missing"))
    };
    let dir = PathBuf::from(next("DIR")?);
    let index: usize = next("INDEX")?.parse()?;
    let addresses: Vec<SocketAddr> = next("ADDRESSES")?
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()?;

    let mut validators: Vec<(SecretKey, SocketAddr)> = (1..)
        .zip(&addresses)
        .map(|(seed, address)| (SecretKey::from_seed([seed; 32]), *address))
        .collect();
    let me = validators
        .get(index)
        .ok_or("INDEX is above the number of addresses")?
        .0
        .public();
    let listen = addresses[index];
    validators.sort_by_key(|(secret, _)| secret.public());
    let keys: Vec<_> = validators
        .iter()
        .map(|(secret, _)| secret.public())
        .collect();
    let dealt = deal(&keys, [42; 32])?;

    let mut registrations = Vec::new();
    let mut infos = Vec::new();
    for (secret, address) in &validators {
        let (account, address) = (secret.public(), BoundedString::new(address.to_string())?);
        let (role, bond) = (Role::Validator, Amount::tokens(100));
        let encryption_key = secret.encryption().public();
        let registration = GenesisRegistration {
            account,
            role,
            bond,
            encryption_key,
            address: address.clone(),
            offer: None,
        };
        registrations.push(registration);
        infos.push(ValidatorInfo { account, address });
    }
    let genesis = Genesis {
        chain_name: BoundedString::new("example")?,
        timestamp_ms: 1_700_000_000_000,
        accounts: BoundedVec::new(Vec::new())?,
        registrations: BoundedVec::new(registrations)?,
        parameters: Parameters::default(),
        owners: BoundedVec::default(),
        beacon_key: BoundedBytes::new(dealt.beacon_key)?,
        validators: BoundedVec::new(infos)?,
    };

    let mine = |key| key == me;
    let (secret, _) = validators
        .into_iter()
        .find(|(secret, _)| mine(secret.public()))
        .ok_or("no key")?;
    let (_, share) = dealt
        .shares
        .into_iter()
        .find(|(key, _)| mine(*key))
        .ok_or("no share")?;
    let chain = start(ChainConfig {
        dir: dir.join(index.to_string()),
        genesis,
        secret,
        share,
        listen,
        peers: Vec::new(),
        pace: Pace::default(),
    })?;
    let mut blocks = chain.subscribe();
    let report = dir.join(format!("{index}.height"));
    while let Ok(block) = blocks.blocking_recv() {
        std::fs::write(&report, block.header.height.to_string())?;
        println!(
            "{} {} {}",
            block.header.height, block.header.view, block.digest
        );
    }
    Err(chain
        .failure()
        .unwrap_or_else(|| "the validator stopped".to_owned())
        .into())
}
