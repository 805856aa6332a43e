//! Signed transfers executed per second on one core: signature check, execution and state root.
//!
//! `cargo run --release -p assay-ledger --example throughput [ACCOUNTS] [BLOCKS] [TRANSFERS]`
#![expect(clippy::print_stdout, reason = "the figures are the point")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use assay_crypto::stream::Stream;
use assay_crypto::{Digest, EncryptionKey, SecretKey};
use assay_ledger::{
    AccountCall, Amount, BlockContext, BoundedBytes, BoundedString, BoundedVec, Genesis,
    GenesisAccount, GenesisRegistration, Height, MemoryStore, Parameters, Role, Status,
    Transaction, ValidatorInfo, execute_verified_block, root,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut next = |default| numbers.next().unwrap_or(Ok(default));
    // As many transfers as a block has room for.
    let full = Parameters::default().max_block_cost as usize / 2;
    let (accounts, blocks, transfers) = (next(20_000)?, next(8)?, next(full)?);
    let secrets: Vec<SecretKey> = (0..accounts as u64).map(secret).collect();
    let genesis = genesis(&secrets)?;
    let chain = genesis.chain_id();
    let state = genesis.state()?;
    let mut tree: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    apply(&mut tree, root::genesis(&state)?.nodes);
    let mut store = MemoryStore::new(state);
    let mut draw = Stream::new(Digest::ZERO, "throughput", 0);
    let mut nonces = vec![0; accounts];
    let mut times = [Duration::ZERO; 3];
    for height in 1..=blocks as u64 {
        let txs: Vec<Transaction> = (0..transfers)
            .map(|_| {
                let from = draw.below(accounts as u64) as usize;
                let to = secrets[draw.below(accounts as u64) as usize].public();
                let call = AccountCall::Transfer {
                    to,
                    amount: Amount(1 + draw.below(1_000)),
                };
                let (nonce, fee) = (nonces[from], Amount(2_000));
                let tx = Transaction::sign(&secrets[from], chain, nonce, fee, call);
                nonces[from] += 1;
                tx
            })
            .collect();
        let context = BlockContext {
            height: Height(height),
            timestamp_ms: 1_000 * height,
            beacon: Digest::of("throughput beacon", &[&height.to_le_bytes()]),
            view: None,
        };
        let start = now()?;
        for tx in &txs {
            tx.verify()?;
        }
        let verified = now()?;
        let executed = execute_verified_block(&store, &context, &txs)?;
        let done = now()?;
        let update = root::update(&tree, context.height, &executed.writes)?;
        for (total, time) in
            times
                .iter_mut()
                .zip([verified - start, done - verified, now()? - done])
        {
            *total += time;
        }
        let applied = executed
            .receipts
            .receipts
            .iter()
            .filter(|r| r.status == Status::Applied);
        assert_eq!(applied.count(), transfers);
        store.apply(&executed.writes);
        apply(&mut tree, update.nodes);
    }
    let count = (blocks * transfers) as f64;
    let [verify, execute, rooted] = times.map(|time| time.as_secs_f64());
    println!("{accounts} accounts, {blocks} blocks of {transfers} transfers, one core");
    for (what, seconds) in [
        ("signatures", verify),
        ("execution", execute),
        ("state root", rooted),
    ] {
        println!("{what:<12} {:8.1} us per transfer", seconds / count * 1e6);
    }
    println!(
        "{:<12} {:8.0} transfers/s",
        "all",
        count / (verify + execute + rooted)
    );
    Ok(())
}

/// Time this thread has run, so that other programs on the machine do not count; wall time where
/// the system does not say.
fn now() -> Result<Duration, Box<dyn Error>> {
    match std::fs::read_to_string("/proc/thread-self/schedstat") {
        Ok(text) => {
            let nanos = text.split(' ').next().unwrap_or_default().parse()?;
            Ok(Duration::from_nanos(nanos))
        }
        Err(_) => Ok(SystemTime::now().duration_since(UNIX_EPOCH)?),
    }
}

fn apply(tree: &mut BTreeMap<Vec<u8>, Vec<u8>>, nodes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
    for (key, node) in nodes {
        match node {
            Some(node) => tree.insert(key, node),
            None => tree.remove(&key),
        };
    }
}

fn secret(index: u64) -> SecretKey {
    SecretKey::from_seed(Digest::of("throughput account", &[&index.to_le_bytes()]).0)
}

fn genesis(secrets: &[SecretKey]) -> Result<Genesis, Box<dyn Error>> {
    let balance = Amount::tokens(1_000);
    let accounts: Vec<_> = secrets
        .iter()
        .map(|secret| GenesisAccount {
            account: secret.public(),
            balance,
        })
        .collect();
    let validator = secrets[0].public();
    let address = BoundedString::new("localhost:1")?;
    Ok(Genesis {
        chain_name: BoundedString::new("throughput")?,
        timestamp_ms: 0,
        accounts: BoundedVec::new(accounts)?,
        registrations: BoundedVec::new(vec![GenesisRegistration {
            account: validator,
            role: Role::Validator,
            bond: Amount::tokens(100),
            encryption_key: EncryptionKey([9; 32]),
            address: address.clone(),
            offer: None,
        }])?,
        parameters: Parameters::default(),
        owners: BoundedVec::default(),
        beacon_key: BoundedBytes::default(),
        validators: BoundedVec::new(vec![ValidatorInfo {
            account: validator,
            address,
        }])?,
    })
}
