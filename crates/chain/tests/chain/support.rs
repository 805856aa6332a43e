//! Four validators in one process.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use assay_chain::{Chain, ChainConfig, Dealt, Header, Pace, SubmitError, deal, start};
use assay_crypto::{PublicKey, SecretKey};
use assay_ledger::{
    AccountCall, Amount, BoundedBytes, BoundedString, BoundedVec, Genesis, GenesisAccount,
    GenesisRegistration, Height, Parameters, Role, Transaction, TxId, ValidatorInfo, query,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn key(index: u8) -> SecretKey {
    SecretKey::from_seed([index; 32])
}

/// An account with money that is no validator.
pub(crate) fn client() -> SecretKey {
    key(101)
}

/// The next port to try; below the range from which the system takes ports for outgoing
/// connections, which could take one of ours before its validator starts.
static NEXT_PORT: AtomicU16 = AtomicU16::new(30_000);

/// Addresses that nobody listens on right now, each given out once.
pub(crate) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    std::array::from_fn(|_| {
        loop {
            let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            if TcpListener::bind(address).is_ok() {
                return address;
            }
        }
    })
}

/// A genesis whose validators are keys 1, 2, ... at `addresses`.
pub(crate) fn genesis(addresses: &[SocketAddr], more: Vec<GenesisAccount>) -> (Genesis, Dealt) {
    let mut secrets: Vec<SecretKey> = (1..).take(addresses.len()).map(key).collect();
    secrets.sort_by_key(SecretKey::public);
    let publics: Vec<PublicKey> = secrets.iter().map(SecretKey::public).collect();
    let dealt = deal(&publics, [42; 32]).unwrap();
    let address_of = |public: &PublicKey| {
        let index = (0..addresses.len())
            .find(|i| key(*i as u8 + 1).public() == *public)
            .unwrap();
        BoundedString::new(addresses[index].to_string()).unwrap()
    };
    let registrations: Vec<_> = secrets
        .iter()
        .map(|secret| GenesisRegistration {
            account: secret.public(),
            role: Role::Validator,
            bond: Amount::tokens(100),
            encryption_key: secret.encryption().public(),
            address: address_of(&secret.public()),
            offer: None,
        })
        .collect();
    let validators: Vec<_> = publics
        .iter()
        .map(|public| ValidatorInfo {
            account: *public,
            address: address_of(public),
        })
        .collect();
    let account = |secret: SecretKey, balance| GenesisAccount {
        account: secret.public(),
        balance,
    };
    let mut accounts = vec![
        account(client(), Amount::tokens(1_000)),
        account(key(102), Amount::tokens(1_000)),
    ];
    accounts.extend(more);
    let genesis = Genesis {
        chain_name: BoundedString::new("test").unwrap(),
        timestamp_ms: 1_700_000_000_000,
        accounts: BoundedVec::new(accounts).unwrap(),
        registrations: BoundedVec::new(registrations).unwrap(),
        parameters: Parameters::default(),
        owners: BoundedVec::default(),
        beacon_key: BoundedBytes::new(dealt.beacon_key.clone()).unwrap(),
        validators: BoundedVec::new(validators).unwrap(),
    };
    (genesis, dealt)
}

pub(crate) struct Network {
    pub(crate) genesis: Genesis,
    dealt: Dealt,
    addresses: [SocketAddr; 4],
    dir: tempfile::TempDir,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self::with(Vec::new())
    }

    /// A network in which these accounts have money too.
    pub(crate) fn with(more: Vec<GenesisAccount>) -> Self {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let addresses = free_addresses();
        let (genesis, dealt) = genesis(&addresses, more);
        Self {
            genesis,
            dealt,
            addresses,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn dir(&self, index: usize) -> PathBuf {
        self.dir.path().join(index.to_string())
    }

    pub(crate) fn config(&self, index: usize) -> ChainConfig {
        let secret = key(index as u8 + 1);
        let (_, share) = self
            .dealt
            .shares
            .iter()
            .find(|(owner, _)| *owner == secret.public())
            .unwrap();
        ChainConfig {
            dir: self.dir(index),
            genesis: self.genesis.clone(),
            share: share.clone(),
            secret,
            listen: self.addresses[index],
            peers: Vec::new(),
            pace: Pace::default(),
        }
    }

    pub(crate) fn start(&self, index: usize) -> Chain {
        start(self.config(index)).unwrap()
    }

    pub(crate) fn start_all(&self) -> Vec<Chain> {
        (0..4).map(|index| self.start(index)).collect()
    }

    /// A signed transfer of `amount` micro-tokens from the client.
    pub(crate) fn transfer(&self, nonce: u64, to: PublicKey, amount: u64) -> Transaction {
        let call = AccountCall::Transfer {
            to,
            amount: Amount(amount),
        };
        Transaction::sign(
            &client(),
            self.genesis.chain_id(),
            nonce,
            Amount(10_000),
            call,
        )
    }
}

/// Submits a transaction again until the validator takes it: those before it may still be on
/// their way there.
pub(crate) fn bring(chain: &Chain, transaction: &Transaction) -> TxId {
    let start = Instant::now();
    loop {
        match chain.submit(transaction.encode()) {
            Ok(id) => return id,
            Err(SubmitError::Gap { .. } | SubmitError::SenderFull(_)) => {
                assert!(start.elapsed() < PATIENCE, "a transaction is not taken");
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until `condition` holds.
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < PATIENCE,
            "{what} did not happen within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn wait_height(chains: &[&Chain], height: u64) {
    let heights = || {
        chains
            .iter()
            .map(|chain| chain.head().height.0)
            .collect::<Vec<_>>()
    };
    wait_for(&format!("height {height}"), || {
        for chain in chains {
            assert_eq!(chain.failure(), None);
        }
        heights().iter().all(|at| *at >= height)
    });
}

pub(crate) fn wait_included(chain: &Chain, id: &TxId) -> Height {
    wait_for("inclusion of a transaction", || {
        chain.transaction(id).unwrap().is_some()
    });
    chain.transaction(id).unwrap().unwrap().0
}

pub(crate) fn balance(chain: &Chain, account: &PublicKey) -> u64 {
    query::account(chain.read().as_ref(), account)
        .unwrap()
        .balance
        .0
}

/// Every chain has the very same header at every height that all of them have.
pub(crate) fn assert_no_fork(chains: &[&Chain]) -> u64 {
    let common = chains
        .iter()
        .map(|chain| chain.head().height.0)
        .min()
        .unwrap();
    for height in 0..=common {
        let header =
            |chain: &Chain| -> Header { chain.block(Height(height)).unwrap().unwrap().header };
        let expected = header(chains[0]);
        for chain in &chains[1..] {
            assert_eq!(header(chain), expected, "fork at height {height}");
        }
    }
    common
}

pub(crate) fn stop_all(chains: &[Chain]) {
    for chain in chains {
        chain.stop();
        assert_eq!(chain.failure(), None);
    }
}
