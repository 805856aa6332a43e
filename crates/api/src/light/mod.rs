//! A node's JSON API, believed only where it proves what it says.
//!
//! Blocking, for commands. Every value comes with a proof against a header that the validators of
//! our genesis have certified, and the header must be recent, so a node can neither lie nor hold
//! back news for long.

mod error;

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use assay_chain::{
    Header,
    light::{LightClient, LightError as Evidence, ProvenTransaction},
};
use assay_crypto::SecretKey;
use assay_ledger::{
    AccountCall, AccountRefusal, Amount, Call, Genesis, Lasting, Pairs, Parameters, ReadError,
    Refusal, Status, Store, Transaction, TxId, query,
};

use tracing::warn;

pub use self::error::LightError;
use self::error::apart;
use crate::{
    client::{HttpNode, HttpNodeError},
    clock::now_ms,
    proof::{BadProof, ReceiptProof, ValueProof},
    view::{Included, Said},
    views::{self, BlockView, ProofView, ReceiptProofView, Submission, Submitted, TransactionView},
};

/// Pause between two looks at a transaction's receipt.
const POLL: Duration = Duration::from_millis(150);

/// Difference between two clocks that is worth a word, in milliseconds.
const WORTH_A_WORD_MS: u64 = 5_000;

/// Time after which a transaction is sent again.
const RESEND: Duration = Duration::from_secs(3);

/// The same after a node did not take it at once.
const RETRY: Duration = Duration::from_millis(500);

/// Most blocks that are looked through at once for a transaction that took another's place.
const MOST_BLOCKS: u64 = 64;

/// A node whose every answer is checked.
pub struct LightNode {
    node: HttpNode,
    genesis: Genesis,
    client: LightClient,
    max_age: Duration,
}

impl LightNode {
    /// Asks `node` about the network of `genesis`; headers older than `max_age` are refused.
    ///
    /// # Errors
    /// [`LightError::Genesis`] when the genesis names no usable validators.
    pub fn new(node: HttpNode, genesis: Genesis, max_age: Duration) -> Result<Self, LightError> {
        let client = LightClient::new(&genesis).map_err(LightError::Genesis)?;
        Ok(Self {
            node,
            genesis,
            client,
            max_age,
        })
    }

    /// The node, for questions whose answers need no proof.
    pub fn node(&self) -> &HttpNode {
        &self.node
    }

    /// What the network began with.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// A verified value of the state, or its verified absence.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LightError> {
        let view: ProofView = self.node.get(&format!("/v1/prove/{}", hex::encode(key)))?;
        let proof: ValueProof = view.parts().map_err(|e| self.malformed(e))?;
        let proven = proof.parts().map_err(|e| self.malformed(e))?;
        self.client
            .verify_state(key, &proven)
            .map_err(|e| self.untrue(e))?;
        self.check_age(&proven.header.header)?;
        Ok(proven.value)
    }

    /// Answers a query of [`assay_ledger::query`] for single entries, verifying every value.
    ///
    /// # Errors
    /// [`LightError`]; [`LightError::NotProvable`] for queries that list.
    pub fn read<T>(
        &self,
        question: impl FnOnce(&dyn Store) -> Result<T, ReadError>,
    ) -> Result<T, LightError> {
        question(&Proved(self)).map_err(|error| {
            let cause = error.into_cause().downcast::<LightError>();
            cause.map_or_else(LightError::Damaged, |problem| *problem)
        })
    }

    /// A transaction's verified receipt; `None` while it is in no certified block.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn receipt(&self, tx: TxId) -> Result<Option<Included>, LightError> {
        let Some(proven) = self.proven(tx)? else {
            return Ok(None);
        };
        Ok(Some(Included {
            height: proven.header.header.height,
            index: proven.index,
            receipt: proven.receipt,
        }))
    }

    /// A transaction with its receipt, both verified; `None` while it is in no certified block.
    fn proven(&self, tx: TxId) -> Result<Option<ProvenTransaction>, LightError> {
        let view: ReceiptProofView = match self.node.get(&format!("/v1/tx/{tx}/proof")) {
            Err(HttpNodeError::Refused { status: 404, .. }) => return Ok(None),
            other => other?,
        };
        let bytes = hex::decode(&view.proof).unwrap_or_default();
        let proof = ReceiptProof::decode(&bytes).map_err(|e| self.malformed(e))?;
        let proven = proof.parts().map_err(|e| self.malformed(e))?;
        self.client
            .verify_transaction(&proven)
            .map_err(|e| self.untrue(e))?;
        if proven.receipt.tx != tx {
            return Err(self.untrue(Evidence::OtherBlock));
        }
        Ok(Some(proven))
    }

    /// Signs a call, sends it until it is in a block, and returns its verified receipt.
    ///
    /// Another program may use the account at the same moment, and its transaction may take this
    /// one's place. The call is then signed anew for the next place, but only once a node has
    /// proved that the other transaction is in a block: this one can then never be in one, so
    /// nothing is done twice.
    ///
    /// # Errors
    /// [`LightError`]; [`LightError::Unaffordable`] before anything is sent; after
    /// [`LightError::Late`] the call may still take effect.
    pub fn call(
        &self,
        key: &SecretKey,
        call: impl Into<Call>,
        patience: Duration,
    ) -> Result<Included, LightError> {
        let call = call.into();
        let (name, began) = (call.name(), Instant::now());
        // What is proved may be a few blocks older than what the node has.
        let mut looked_at = self.height()?.saturating_sub(8);
        let mut transaction = self.sign(key, call)?;
        let (mut sent, mut resend): (Option<Instant>, _) = (None, RESEND);
        let mut said = Said::default();
        while began.elapsed() < patience {
            let tx = transaction.id();
            if let Some(included) = sent.map(|_| self.receipt(tx)).transpose()?.flatten() {
                let fee = included.receipt.fee;
                return match included.receipt.status {
                    Status::Applied => Ok(included),
                    Status::Refused(refusal) => Err(LightError::Refused(name, refusal, fee)),
                };
            }
            if sent.is_none_or(|sent| sent.elapsed() > resend) {
                sent = Some(Instant::now());
                let submission = Submission {
                    transaction: hex::encode(transaction.encode()),
                };
                match self.node.post::<_, Submitted>("/v1/tx", &submission) {
                    Ok(_) => (said, resend) = (Said::default(), RESEND),
                    Err(HttpNodeError::Refused {
                        status: status @ (409 | 503),
                        body,
                    }) => {
                        (said, resend) = (Said(Some(body.error)), RETRY);
                        if status == 409 && self.displaced(&transaction, &mut looked_at)? {
                            transaction = self.sign(key, transaction.call)?;
                            sent = None;
                            continue;
                        }
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            sleep(POLL);
        }
        Err(LightError::Late(transaction.id(), name, said))
    }

    /// Height of the node's newest block, as it says.
    fn height(&self) -> Result<u64, LightError> {
        let status: views::Status = self.node.get("/v1/status")?;
        Ok(status.head.height)
    }

    /// Whether another transaction of the same account and nonce is proved to be in a block.
    /// Blocks up to `looked_at` are not looked at again.
    fn displaced(&self, ours: &Transaction, looked_at: &mut u64) -> Result<bool, LightError> {
        let head = self.height()?;
        for height in *looked_at..=head.min(looked_at.saturating_add(MOST_BLOCKS)) {
            *looked_at = height;
            let block: BlockView = match self.node.get(&format!("/v1/blocks/{height}")) {
                Err(HttpNodeError::Refused { status: 404, .. }) => continue,
                other => other?,
            };
            let same = |other: &&TransactionView| {
                other.sender == ours.sender && other.nonce == ours.nonce && other.tx != ours.id()
            };
            let Some(other) = block.transactions.iter().find(same) else {
                continue;
            };
            let Some(proven) = self.proven(other.tx)? else {
                // Its block is not certified yet.
                return Ok(false);
            };
            let other = Transaction::decode(&proven.transaction);
            return Ok(other.is_ok_and(|other| {
                (other.sender, other.nonce) == (ours.sender, ours.nonce) && other.id() != ours.id()
            }));
        }
        Ok(false)
    }

    fn sign(&self, key: &SecretKey, call: Call) -> Result<Transaction, LightError> {
        // Refused here it costs nothing; refused by the ledger it would cost the fee.
        let (name, amount) = (call.name(), moved(&call));
        let amount = amount.map_err(|refusal| LightError::Pointless(name, refusal))?;
        let account = self.read(|store| query::account(store, &key.public()))?;
        let parameters: Option<Parameters> = self.read(query::parameters)?;
        let chain = self.genesis.chain_id();
        let draft = Transaction::sign(key, chain, account.nonce, Amount::ZERO, call);
        // The fee has a fixed width, so the length is that of the final transaction too.
        let fee = parameters.unwrap_or_default().min_fee(draft.encode().len());
        if amount
            .checked_add(fee)
            .is_none_or(|sum| sum > account.balance)
        {
            return Err(LightError::Unaffordable {
                amount,
                fee,
                balance: account.balance,
            });
        }
        Ok(Transaction::sign(
            key,
            chain,
            account.nonce,
            fee,
            draft.call,
        ))
    }

    /// Warns in the log when the node's clock is not this machine's; for what the node says of
    /// itself anyway.
    pub fn compare_clocks(&self, status: &views::Status) {
        let apart = now_ms().abs_diff(status.clock_ms);
        if status.clock_ms > 0 && apart > WORTH_A_WORD_MS {
            let side = if now_ms() > status.clock_ms {
                "ahead of"
            } else {
                "behind"
            };
            warn!(
                "this machine's clock is {} {side} that of the node at {}",
                Lasting(apart),
                self.base()
            );
        }
    }

    fn check_age(&self, header: &Header) -> Result<(), LightError> {
        let (now, stamp) = (now_ms(), header.timestamp_ms);
        if u128::from(now.abs_diff(stamp)) <= self.max_age.as_millis() {
            return Ok(());
        }
        // The node's word about its own clock only helps to find whose is wrong.
        let status: Option<views::Status> = self.node.get("/v1/status").ok();
        let (theirs, said) = match status {
            Some(status) => (Some(status.clock_ms).filter(|ms| *ms > 0), status.problems),
            None => (None, Vec::new()),
        };
        let mut error = apart(self.base(), now, stamp, theirs);
        if let LightError::Stale { problems, .. } = &mut error {
            *problems = said;
        }
        Err(error)
    }

    fn base(&self) -> String {
        self.node.base().to_owned()
    }

    fn malformed(&self, error: BadProof) -> LightError {
        LightError::Malformed(self.base(), error)
    }

    fn untrue(&self, error: Evidence) -> LightError {
        LightError::Untrue(self.base(), error)
    }
}

/// What a call takes from the account beside its fee, if it can have an effect at all.
fn moved(call: &Call) -> Result<Amount, Refusal> {
    match call {
        Call::Account(AccountCall::Transfer { to, amount }) => match to.check() {
            _ if *amount == Amount::ZERO => Err(AccountRefusal::ZeroAmount.into()),
            Ok(()) => Ok(*amount),
            Err(_) => Err(AccountRefusal::NotAKey { account: *to }.into()),
        },
        _ => Ok(Amount::ZERO),
    }
}

/// The ledger's state as far as a node proves it, one key at a time.
struct Proved<'a>(&'a LightNode);

impl Store for Proved<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.0.get(key).map_err(ReadError::new)
    }

    fn scan(&self, _prefix: &[u8], _from: &[u8], _limit: usize) -> Result<Pairs, ReadError> {
        Err(ReadError::new(LightError::NotProvable))
    }
}
