//! A chain in memory that executes the real ledger, one block per call, without consensus.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use assay_chain::light::{ProvenTransaction, ProvenValue};
use assay_crypto::{Digest, PublicKey, SecretKey};
use assay_ledger::{
    Amount, BlockContext, BoundedBytes, BoundedString, BoundedVec, Genesis, GenesisAccount,
    GenesisRegistration, Height, Invalid, MemoryStore, Parameters, Role, Transaction, TxId,
    ValidatorInfo, check_block, execute_block,
};
use tokio::sync::watch;

use super::*;
use crate::transport::BoxFuture;

/// The key with this seed byte; seeds 1 to 9 have 1,000 tokens each, and 1 is the validator.
pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

pub(crate) struct TestChain {
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
}

impl TestChain {
    pub(crate) fn new() -> std::sync::Arc<Self> {
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
            }])
            .unwrap(),
            parameters: Parameters::default(),
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
        };
        let heights = watch::Sender::new(Height(0));
        std::sync::Arc::new(Self {
            genesis,
            heights,
            inner: Mutex::new(inner),
        })
    }

    /// Loses the next submissions.
    pub(crate) fn swallow(&self, submissions: u32) {
        self.inner().swallow = submissions;
    }

    /// Submissions so far, lost ones included.
    pub(crate) fn submissions(&self) -> u32 {
        self.inner().submissions
    }

    /// Makes a block.
    pub(crate) fn tick(&self, transactions: Vec<Transaction>) {
        let mut inner = self.inner();
        let height = Height(inner.blocks.len() as u64 + 1);
        let timestamp_ms = 1_000 + height.0 * 100;
        let beacon = Digest::of("assay/test-beacon/v1", &[&height.0.to_le_bytes()]);
        let context = BlockContext {
            height,
            timestamp_ms,
            beacon,
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
        std::sync::Arc::new(self.inner().store.clone())
    }

    fn heights(&self) -> watch::Receiver<Height> {
        self.heights.subscribe()
    }

    fn block(&self, height: Height) -> BoxFuture<'_, Result<Option<BlockInfo>, ChainError>> {
        let index = height.0.checked_sub(1).map(|index| index as usize);
        let block = index.and_then(|index| self.inner().blocks.get(index).cloned());
        Box::pin(async move { Ok(block) })
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
                check_block(&inner.store, std::slice::from_ref(&transaction)).map_err(|error| {
                    match error.reason {
                        Invalid::Nonce { expected, found } if found < expected => {
                            SubmitError::Spent(error.reason.to_string())
                        }
                        reason => rejected(reason.to_string()),
                    }
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
pub(crate) fn transfer(chain: &TestChain, from: u8, to: PublicKey, amount: Amount) -> Transaction {
    let secret = key(from);
    let nonce = assay_ledger::query::account(&*chain.state(), &secret.public()).nonce;
    let call = assay_ledger::Call::Transfer { to, amount };
    Transaction::sign(
        &secret,
        chain.genesis.chain_id(),
        nonce,
        Amount(2_000),
        call,
    )
}
