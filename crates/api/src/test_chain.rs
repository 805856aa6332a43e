//! A chain in memory that executes the real ledger, one block per call, without consensus: for tests.
#![allow(clippy::unwrap_used, reason = "a test's chain fails as the test does")]

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use assay_chain::light::{ProvenTransaction, ProvenValue};
use assay_crypto::{Digest, PublicKey, SecretKey};
use assay_ledger::{
    Amount, BlockContext, BoundedBytes, BoundedString, BoundedVec, ExecuteError, Genesis,
    GenesisAccount, GenesisRegistration, Height, Invalid, MemoryStore, Pairs, Parameters,
    ReadError, Role, Store, Transaction, TxId, ValidatorInfo, check_block, execute_block,
};
use tokio::sync::watch;

use crate::view::{
    BlockInfo, BoxFuture, ChainError, ChainView, Head, Included, Snapshot, Stretch, SubmitError,
};

/// The key with this seed byte; seeds 1 to 9 have 1,000 tokens each, and 1 is the validator.
pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

/// A chain that a test moves.
pub struct TestChain {
    genesis: Genesis,
    heights: watch::Sender<Height>,
    inner: Mutex<Inner>,
}

struct Inner {
    store: MemoryStore,
    blocks: Vec<BlockInfo>,
    receipts: HashMap<TxId, Included>,
    /// Submissions to swallow, as a lossy network would.
    swallow: u32,
    submissions: u32,
    /// Whether the disk under the state has failed.
    broken: bool,
    /// What submissions are turned away with, if they are.
    turned_away: Option<String>,
    /// Blocks up to this height are no longer kept.
    forgotten: u64,
}

/// A state on a disk that no longer answers.
struct Broken;

impl Store for Broken {
    fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Err(ReadError::new("the disk failed: I/O error"))
    }

    fn scan(&self, _prefix: &[u8], _from: &[u8], _limit: usize) -> Result<Pairs, ReadError> {
        Err(ReadError::new("the disk failed: I/O error"))
    }
}

impl TestChain {
    /// A network of one validator, at its genesis.
    ///
    /// # Panics
    /// Never: the genesis is a good one.
    #[allow(clippy::new_ret_no_self, reason = "shared from the beginning")]
    pub fn new() -> std::sync::Arc<Self> {
        let text = |text: &str| BoundedString::new(text).unwrap();
        let accounts: Vec<GenesisAccount> = (1..=9)
            .map(|seed| GenesisAccount {
                account: key(seed).public(),
                balance: Amount::tokens(1_000),
            })
            .collect();
        let genesis = Genesis {
            chain_name: BoundedString::new("test").unwrap(),
            timestamp_ms: 1_000,
            accounts: BoundedVec::new(accounts).unwrap(),
            registrations: BoundedVec::new([GenesisRegistration {
                account: key(1).public(),
                role: Role::Validator,
                bond: Amount::tokens(100),
                encryption_key: key(1).encryption().public(),
                address: BoundedString::new("127.0.0.1:7001").unwrap(),
                offer: None,
            }])
            .unwrap(),
            parameters: Parameters::default(),
            owners: BoundedVec::default(),
            beacon_key: BoundedBytes::new([]).unwrap(),
            validators: BoundedVec::new([ValidatorInfo {
                account: key(1).public(),
                address: text("127.0.0.1:7201"),
            }])
            .unwrap(),
        };
        let inner = Inner {
            store: MemoryStore::new(genesis.state().unwrap()),
            blocks: Vec::new(),
            receipts: HashMap::new(),
            swallow: 0,
            submissions: 0,
            broken: false,
            turned_away: None,
            forgotten: 0,
        };
        let heights = watch::Sender::new(Height(0));
        std::sync::Arc::new(Self {
            genesis,
            heights,
            inner: Mutex::new(inner),
        })
    }

    /// Loses the next submissions.
    pub fn swallow(&self, submissions: u32) {
        self.inner().swallow = submissions;
    }

    /// Takes no transaction from now on, and says why.
    pub fn turn_away(&self, reason: &str) {
        self.inner().turned_away = Some(reason.to_owned());
    }

    /// No longer keeps the blocks so far, only their state.
    pub fn forget_blocks(&self) {
        let mut inner = self.inner();
        inner.forgotten = inner.blocks.len() as u64;
    }

    /// Breaks or mends the disk under the state.
    pub fn set_broken(&self, broken: bool) {
        self.inner().broken = broken;
    }

    /// Submissions so far, lost ones included.
    pub fn submissions(&self) -> u32 {
        self.inner().submissions
    }

    /// Makes a block.
    pub fn tick(&self, transactions: Vec<Transaction>) {
        let mut inner = self.inner();
        let height = Height(inner.blocks.len() as u64 + 1);
        let timestamp_ms = 1_000 + height.0 * 100;
        let beacon = Digest::of("assay/test-beacon/v1", &[&height.0.to_le_bytes()]);
        let context = BlockContext {
            height,
            timestamp_ms,
            beacon,
            view: None,
        };
        let executed = execute_block(&inner.store, &context, &transactions).unwrap();
        inner.store.apply(&executed.writes);
        let parent = inner
            .blocks
            .last()
            .map_or(self.genesis.digest(), |b| b.head.digest);
        let digest = Digest::of("assay/test-block/v1", &[&parent.0, &height.0.to_le_bytes()]);
        let head = Head {
            height,
            digest,
            parent,
            timestamp_ms,
            state_root: Digest::ZERO,
            tx_root: Digest::ZERO,
            receipts_root: executed.receipts_root,
        };
        for (index, receipt) in (0..).zip(&executed.receipts.receipts) {
            let included = Included {
                height,
                index,
                receipt: receipt.clone(),
            };
            inner.receipts.insert(receipt.tx, included);
        }
        inner.blocks.push(BlockInfo {
            head,
            transactions,
            receipts: executed.receipts,
        });
        drop(inner);
        self.heights.send_replace(height);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl ChainView for TestChain {
    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn head(&self) -> Head {
        let genesis = Head {
            height: Height(0),
            digest: self.genesis.digest(),
            parent: Digest::ZERO,
            timestamp_ms: self.genesis.timestamp_ms,
            state_root: Digest::ZERO,
            tx_root: Digest::ZERO,
            receipts_root: Digest::ZERO,
        };
        self.inner()
            .blocks
            .last()
            .map_or(genesis, |block| block.head)
    }

    fn state(&self) -> Snapshot {
        let inner = self.inner();
        if inner.broken {
            return std::sync::Arc::new(Broken);
        }
        std::sync::Arc::new(inner.store.clone())
    }

    fn heights(&self) -> watch::Receiver<Height> {
        self.heights.subscribe()
    }

    fn block(&self, height: Height) -> BoxFuture<'_, Result<Option<BlockInfo>, ChainError>> {
        let index = height.0.checked_sub(1).map(|index| index as usize);
        let inner = self.inner();
        let block = index.and_then(|index| inner.blocks.get(index).cloned());
        let found = match (1..=inner.forgotten).contains(&height.0) {
            true => Err(ChainError::Local(format!("block {height} is not kept"))),
            false => Ok(block),
        };
        drop(inner);
        Box::pin(async move { found })
    }

    fn stretch(&self, _first: Height) -> BoxFuture<'_, Result<Stretch, ChainError>> {
        Box::pin(async { Ok(Stretch::default()) })
    }

    fn receipt(&self, tx: TxId) -> BoxFuture<'_, Result<Option<Included>, ChainError>> {
        let found = self.inner().receipts.get(&tx).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn prove_transaction(
        &self,
        _tx: TxId,
    ) -> BoxFuture<'_, Result<Option<ProvenTransaction>, ChainError>> {
        Box::pin(async { Ok(None) })
    }

    fn prove(&self, _key: Vec<u8>) -> BoxFuture<'_, Result<ProvenValue, ChainError>> {
        Box::pin(async { Err(ChainError::Local("nothing is certified here".to_owned())) })
    }

    fn submit(&self, transaction: Vec<u8>) -> BoxFuture<'_, Result<TxId, SubmitError>> {
        let rejected = SubmitError::Rejected;
        let outcome = Transaction::decode(&transaction)
            .map_err(|error| rejected(error.to_string()))
            .and_then(|transaction| {
                let id = transaction.id();
                let mut inner = self.inner();
                inner.submissions += 1;
                if let Some(reason) = &inner.turned_away {
                    return Err(SubmitError::Later(reason.clone()));
                }
                let checked = check_block(&inner.store, std::slice::from_ref(&transaction));
                checked.map_err(|error| match error {
                    ExecuteError::Read(error) => SubmitError::Later(error.to_string()),
                    ExecuteError::Invalid(error) => match error.reason {
                        Invalid::Nonce { expected, found } if found < expected => {
                            SubmitError::Spent(error.reason.to_string())
                        }
                        reason => rejected(reason.to_string()),
                    },
                })?;
                if inner.swallow > 0 {
                    inner.swallow -= 1;
                    return Ok(id);
                }
                drop(inner);
                self.tick(vec![transaction]);
                Ok(id)
            });
        Box::pin(async move { outcome })
    }

    fn metrics(&self) -> BoxFuture<'_, String> {
        Box::pin(async { "# TYPE votes counter\nvotes_total 1\n# EOF\n".to_owned() })
    }
}

/// A transfer by the account with this seed byte, signed but not sent.
pub fn transfer(chain: &TestChain, from: u8, to: PublicKey, amount: Amount) -> Transaction {
    let secret = key(from);
    let nonce = assay_ledger::query::account(&*chain.state(), &secret.public())
        .unwrap()
        .nonce;
    let call = assay_ledger::AccountCall::Transfer { to, amount };
    Transaction::sign(
        &secret,
        chain.genesis.chain_id(),
        nonce,
        Amount(2_000),
        call,
    )
}
