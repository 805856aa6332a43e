//! A node's JSON API, believed only where it proves what it says.
//!
//! Blocking, for commands. Every value comes with a proof against a header that the validators of
//! our genesis have certified, and the header must be recent, so a node can neither lie nor hold
//! back news for long.

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
    AccountCall, AccountRefusal, Amount, Call, Genesis, Pairs, Parameters, ReadError, Refusal,
    Status, Store, Transaction, TxId, query,
};

use tracing::warn;

use super::{BadProof, HttpNode, HttpNodeError, Included, ReceiptProof, Said, ValueProof};
use crate::{
    clock,
    http::views::{
        self, BlockView, ProofView, ReceiptProofView, Submission, Submitted, TransactionView,
    },
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

/// Why a node's word was not good enough, or a call took no effect.
#[derive(Debug, thiserror::Error)]
pub enum LightError {
    /// The node cannot be asked, or refuses.
    #[error(transparent)]
    Node(#[from] HttpNodeError),
    /// The genesis cannot be used.
    #[error("the genesis file does not describe a network")]
    Genesis(#[source] Evidence),
    /// A proof does not decode.
    #[error("the node at {0} sends malformed proofs")]
    Malformed(String, #[source] BadProof),
    /// A proof does not hold: the node lies, or is of another network.
    #[error("the node at {0} cannot prove what it says; is it of the same network?")]
    Untrue(String, #[source] Evidence),
    /// The node only shows old blocks.
    #[error(
        "the node at {node} shows nothing newer than {age} s ago: {}",
        stopped(.problems)
    )]
    Stale {
        /// The node.
        node: String,
        /// Age of its newest header in seconds.
        age: u64,
        /// What it says is in its way.
        problems: Vec<String>,
    },
    /// The node's newest header and this machine's clock are too far apart.
    #[error(
        "the newest block of the node at {node} is {seconds} s {side} by this machine's clock: {whose}"
    )]
    Clock {
        /// The node.
        node: String,
        /// How far apart they are.
        seconds: u64,
        /// `old` or `in the future`.
        side: &'static str,
        /// Which clock seems wrong, and what to do.
        whose: String,
    },
    /// A list was asked for, which no proof covers.
    #[error("lists cannot be proved; ask for single entries")]
    NotProvable,
    /// A proved value is no record of the ledger.
    #[error("what the network holds cannot be understood; is this program as new as its nodes?")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The account does not have what the call needs; nothing was sent.
    #[error(
        "the account has {balance} tokens, which does not cover {amount} and the fee of {fee}; nothing was sent or charged: get more or spend less"
    )]
    Unaffordable {
        /// What the call moves.
        amount: Amount,
        /// What it would cost besides.
        fee: Amount,
        /// What there is.
        balance: Amount,
    },
    /// The ledger would refuse the call; nothing was sent.
    #[error("`{0}` would be refused: {1}; nothing was sent or charged")]
    Pointless(&'static str, Refusal),
    /// The ledger refused the call; the fee is paid.
    #[error("the ledger refused `{0}`: {1}; the fee of {2} tokens was charged")]
    Refused(&'static str, Refusal, Amount),
    /// The call was in no block when time ran out.
    #[error("transaction {0} of `{1}` is in no block yet{2}; it may still come into one")]
    Late(TxId, &'static str, Said),
}

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
                "this machine's clock is {} s {side} that of the node at {}",
                apart / 1_000,
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

fn now_ms() -> u64 {
    clock::now().0
}

/// Why there are no new blocks: what the node says of it, or what may be.
fn stopped(problems: &[String]) -> String {
    match problems.is_empty() {
        true => "the network has stopped, the node is cut off, or this machine's clock is wrong"
            .to_owned(),
        false => format!("it says itself: {}", problems.join("; ")),
    }
}

/// Why a header of `stamp` is no news at `now`, given the node's clock.
fn apart(node: String, now: u64, stamp: u64, theirs: Option<u64>) -> LightError {
    let seconds = now.abs_diff(stamp) / 1_000;
    let agree = |one: u64, other: u64| one.abs_diff(other) < now.abs_diff(stamp) / 2;
    let (with_block, with_us) = match theirs {
        Some(theirs) => (agree(theirs, stamp), agree(theirs, now)),
        None => (false, false),
    };
    let old = now > stamp;
    if old && !with_block {
        return LightError::Stale {
            node,
            age: seconds,
            problems: Vec::new(),
        };
    }
    let own = if old { "ahead" } else { "behind" };
    LightError::Clock {
        node,
        seconds,
        side: if old { "old" } else { "in the future" },
        whose: match (with_block, with_us) {
            (true, false) => format!(
                "this machine's clock seems to be {seconds} s {own}, since the node's agrees with \
                 the block; set it by NTP"
            ),
            (false, true) => format!(
                "the validators' clocks seem to be {seconds} s ahead, since the node's agrees with \
                 this machine's; whoever runs them should set them by NTP"
            ),
            _ => format!(
                "this machine's clock is {seconds} s {own}, or the validators' are off; compare \
                 it with another machine's"
            ),
        },
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 10_000_000;

    fn told(now: u64, stamp: u64, theirs: Option<u64>) -> String {
        apart("http://a".to_owned(), now, stamp, theirs).to_string()
    }

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much_and_whose() {
        let ahead = told(NOW + 600_000, NOW, Some(NOW + 300));
        assert!(
            ahead.contains("600 s old") && ahead.contains("seems to be 600 s ahead"),
            "{ahead}"
        );
        let behind = told(NOW - 600_000, NOW, Some(NOW + 300));
        assert!(behind.contains("600 s in the future"), "{behind}");
        assert!(
            behind.contains("this machine's clock seems to be 600 s behind"),
            "{behind}"
        );
        let theirs = told(NOW, NOW + 90_000, Some(NOW - 10));
        assert!(
            theirs.contains("validators' clocks seem to be 90 s ahead"),
            "{theirs}"
        );
        let unknown = told(NOW, NOW + 90_000, None);
        assert!(unknown.contains("or the validators' are off"), "{unknown}");
    }

    #[test]
    fn a_network_that_stands_still_is_no_clock() {
        for theirs in [None, Some(NOW), Some(NOW - 2_000)] {
            let stale = told(NOW, NOW - 120_000, theirs);
            assert!(stale.contains("nothing newer than 120 s ago"), "{stale}");
        }
    }

    #[test]
    fn what_a_standing_node_says_of_itself_is_told() {
        let stale = |problems| {
            let (node, age) = ("http://a".to_owned(), 61);
            LightError::Stale {
                node,
                age,
                problems,
            }
            .to_string()
        };
        assert!(stale(vec![]).contains("the network has stopped"));
        let said = stale(vec!["no new block since height 43".to_owned()]);
        assert!(
            said.ends_with("it says itself: no new block since height 43"),
            "{said}"
        );
    }
}
