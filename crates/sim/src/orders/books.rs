//! The ledger that all parties see: calls that wait for a block, and what blocks make of them.

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::{Digest, SecretKey};
use assay_ledger::{
    AccountId, Admission, AdmitError, Amount, BlockContext, Call, ChainId, Event, ExecuteError,
    Genesis, GenesisError, Height, Invalid, MAX_TX_BYTES, MemoryStore, OrderEvent, OrderId,
    ReadError, SlashReason, Status, Transaction, TxId, execute_verified_block, query,
    query::Supply,
};
use tokio::sync::oneshot;

use super::rules::{self, Rule};

/// What came of a call: nothing, or why the ledger refused it.
pub(super) type Receipt = Result<(), String>;

/// Where a block goes wrong in a way that no cast of liars may bring about.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The network cannot begin.
    #[error("the genesis is inconsistent")]
    Genesis(#[from] GenesisError),
    /// The block may not be there, or its state could not be read.
    #[error("a block could not be executed")]
    Block(#[from] ExecuteError),
    /// The state could not be read.
    #[error("the state could not be read")]
    Read(#[from] ReadError),
    /// Validators say that their block did something else than it does here.
    #[error("block {0} has other receipts here than at the validators")]
    Receipts(u64),
    /// Money came or went.
    #[error("after block {height} there are {total} where the genesis made {genesis}", total = told(.supply), genesis = .supply.genesis)]
    Supply {
        /// After which block.
        height: u64,
        /// What there is.
        supply: Supply,
    },
}

fn told(supply: &Supply) -> String {
    supply.total.map_or_else(
        || "more than can be counted".to_owned(),
        |total| total.to_string(),
    )
}

/// A signed call that is in no block yet.
struct Waiting {
    /// Whose, by its place among the members.
    member: usize,
    transaction: Transaction,
    id: TxId,
    answer: oneshot::Sender<Receipt>,
}

/// The ledger after the last block, and the calls for the next.
pub(super) struct Books {
    pub(super) store: MemoryStore,
    pub(super) height: Height,
    /// Everything that happened, in order.
    pub(super) events: Vec<Event>,
    /// Calls the ledger refused: whose, and why.
    pub(super) refused: Vec<(usize, String)>,
    /// What each member has paid for its transactions.
    pub(super) fees: BTreeMap<usize, u64>,
    /// The chain over all blocks and what they did.
    pub(super) history: Digest,
    pub(super) chain: ChainId,
    /// The order of each audit of a trainer's round.
    pub(super) audits: BTreeMap<OrderId, OrderId>,
    waiting: Vec<Waiting>,
}

impl Books {
    /// The ledger of a genesis, without these rules.
    pub(super) fn new(genesis: &Genesis, leave_out: &[Rule]) -> Result<Self, BooksError> {
        let rules = leave_out.iter();
        let allowed = genesis.parameters.clone();
        let numbers = rules.fold(allowed, |numbers, rule| rule.leave_out_of(numbers));
        let state = rules::with_numbers(genesis.state()?, &numbers);
        Ok(Self {
            store: MemoryStore::new(state),
            height: Height(0),
            events: Vec::new(),
            refused: Vec::new(),
            fees: BTreeMap::new(),
            history: genesis.digest(),
            chain: genesis.chain_id(),
            audits: BTreeMap::new(),
            waiting: Vec::new(),
        })
    }

    /// Signs a call and lets it wait for a block.
    pub(super) fn submit(
        &mut self,
        member: usize,
        secret: &SecretKey,
        call: Call,
    ) -> oneshot::Receiver<Receipt> {
        let nonce = self.next_nonce(member, secret.public());
        let parameters = query::parameters(&self.store).expect("a state in memory");
        let fee = parameters.unwrap_or_default().min_fee(MAX_TX_BYTES);
        let (answer, receipt) = oneshot::channel();
        let transaction = Transaction::sign(secret, self.chain, nonce, fee, call);
        self.waiting.push(Waiting {
            member,
            id: transaction.id(),
            transaction,
            answer,
        });
        receipt
    }

    /// The nonce of the next call of a member.
    pub(super) fn next_nonce(&self, member: usize, account: AccountId) -> u64 {
        let account = query::account(&self.store, &account);
        let before = self.waiting.iter().filter(|w| w.member == member).count();
        account.expect("a state in memory").nonce + before as u64
    }

    /// What waits, for validators that make blocks of it.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Transaction> {
        self.waiting.iter().map(|waiting| &waiting.transaction)
    }

    /// Makes a block of what waits, as far as it has room, and executes it.
    pub(super) fn make_block(
        &mut self,
        timestamp_ms: u64,
        beacon: Digest,
    ) -> Result<(), BooksError> {
        let mut admission = Admission::new(&self.store)?;
        let mut taken = Vec::new();
        let mut never = Vec::new();
        for (place, Waiting { transaction, .. }) in self.waiting.iter().enumerate() {
            match admission.admit(transaction) {
                Ok(()) => taken.push(transaction.clone()),
                Err(AdmitError::Invalid(Invalid::BlockFull { .. })) => break,
                Err(AdmitError::Invalid(reason)) => never.push((place, reason.to_string())),
                Err(AdmitError::Read(error)) => return Err(error.into()),
            }
        }
        for (place, reason) in never.into_iter().rev() {
            let dropped = self.waiting.remove(place);
            self.answer(dropped, Err(reason));
        }
        let height = Height(self.height.0 + 1);
        let context = BlockContext {
            height,
            timestamp_ms,
            beacon,
            view: None,
        };
        self.execute(&context, &taken).map(drop)
    }

    /// Executes the next block; gives the root of its receipts.
    pub(super) fn execute(
        &mut self,
        context: &BlockContext,
        transactions: &[Transaction],
    ) -> Result<Digest, BooksError> {
        let executed = execute_verified_block(&self.store, context, transactions)?;
        self.store.apply(&executed.writes);
        self.height = context.height;
        let supply = query::counted_supply(&self.store)?;
        if supply.total != Some(supply.genesis) || supply != query::supply(&self.store)? {
            let height = self.height.0;
            return Err(BooksError::Supply { height, supply });
        }
        let time = context.timestamp_ms.to_le_bytes();
        let (beacon, receipts) = (context.beacon, executed.receipts_root);
        let parts: [&[u8]; 4] = [&self.history.0, &time, &beacon.0, &receipts.0];
        self.history = Digest::of("assay/sim/books/v1", &parts);
        self.events.extend(executed.receipts.events);
        for receipt in executed.receipts.receipts {
            self.events.extend(receipt.events);
            let of = |waiting: &Waiting| waiting.id == receipt.tx;
            let Some(place) = self.waiting.iter().position(of) else {
                continue;
            };
            let waiting = self.waiting.remove(place);
            let fees = self.fees.entry(waiting.member).or_default();
            *fees = fees.saturating_add(waiting.transaction.fee.0);
            let result = match receipt.status {
                Status::Applied => Ok(()),
                Status::Refused(refusal) => Err(refusal.to_string()),
            };
            self.answer(waiting, result);
        }
        Ok(executed.receipts_root)
    }

    /// What orders did, in order.
    fn of_orders(&self) -> impl Iterator<Item = (OrderId, &OrderEvent)> {
        self.events.iter().filter_map(|event| match event {
            Event::Order { order, event } => Some((*order, event)),
            _ => None,
        })
    }

    /// What an account has lost of its bond: in which order, how much, and why.
    pub(super) fn cuts(&self, of: AccountId) -> Vec<(OrderId, Amount, SlashReason)> {
        let cuts = self.of_orders().filter_map(|(order, event)| match event {
            OrderEvent::Slashed {
                account,
                amount,
                reason,
                ..
            } if *account == of => Some((order, *amount, *reason)),
            _ => None,
        });
        cuts.collect()
    }

    /// What an order paid an account.
    pub(super) fn paid(&self, by: OrderId, to: AccountId) -> u64 {
        let sums = self.of_orders().filter_map(|(order, event)| match event {
            OrderEvent::Paid { account, amount } if (order, *account) == (by, to) => Some(amount.0),
            _ => None,
        });
        sums.sum()
    }

    /// What an account was given back of its answers' fees, less what its own orders gave others.
    pub(super) fn given_back(&self, of: AccountId) -> i128 {
        let mut own = BTreeSet::new();
        let mut sum = 0;
        for (order, event) in self.of_orders() {
            match event {
                OrderEvent::OrderPosted { requester, .. } => {
                    // What an audit of a round spends is the requester's of the rounds.
                    let whose = self.audits.get(&order);
                    let is_own = match whose {
                        Some(rounds) => own.contains(rounds),
                        None => *requester == of,
                    };
                    if is_own {
                        own.insert(order);
                    }
                }
                OrderEvent::Reimbursed { account, amount } => {
                    let amount = i128::from(amount.0);
                    sum += if *account == of { amount } else { 0 };
                    sum -= if own.contains(&order) { amount } else { 0 };
                }
                _ => {}
            }
        }
        sum
    }

    /// The orders in which an account was asked, and is said not to have answered.
    pub(super) fn missed(&self, by: AccountId) -> Vec<OrderId> {
        let missed = self.of_orders().filter_map(|(order, event)| match event {
            OrderEvent::Missed { account } if *account == by => Some(order),
            _ => None,
        });
        missed.collect()
    }

    fn answer(&mut self, waiting: Waiting, result: Receipt) {
        if let Err(why) = &result {
            self.refused.push((waiting.member, why.clone()));
        }
        // Whoever asked may have been killed since.
        let _ = waiting.answer.send(result);
    }
}
