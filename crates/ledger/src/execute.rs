//! Executing a block.
//!
//! 1. *Admission.* Every transaction must carry a good signature, this network's name, its
//!    sender's next nonce and a fee that the sender's balance before the block covers. A block
//!    with one that does not is invalid. All fees are taken here, before any call: no call of the
//!    block can make an admitted fee unpayable, so nobody gets a free ride.
//! 2. *Beginning.* Bonds come free, deadlines pass, the beacon draws.
//! 3. *Calls*, in order. A call takes effect as a whole or not at all; a refused one leaves its
//!    reason in the receipt.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use assay_crypto::Digest;
use thiserror::Error;

use crate::accounts::money;
use crate::state::{BlockInfo, Chain, Pools, State};
use crate::{
    Account, AccountId, Amount, BlockReceipts, ChainId, Height, MAX_TX_BYTES, ReadError, Receipt,
    Status, Store, Transaction, begin, call, keys, totals,
};

/// What a block brings along besides its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// The block's height: one above its parent's.
    pub height: Height,
    /// The proposer's time, in milliseconds since 1970, above the parent's.
    pub timestamp_ms: u64,
    /// Randomness that nobody knew before the parent block was final; [`Digest::ZERO`] when the
    /// block carries none, and then nothing is drawn in it.
    pub beacon: Digest,
    /// The view of the consensus in which the block was proposed: it tells whose turn it was, and who earns
    /// a share of its fees. `None` for a block that was made without a consensus.
    pub view: Option<u64>,
}

/// What executing a block gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Changed keys with their new values; `None` deletes.
    pub writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The block's own events and one receipt for each transaction.
    pub receipts: BlockReceipts,
    /// The root of [`BlockReceipts::tree`].
    pub receipts_root: Digest,
}

/// Why a transaction may not be in a block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum Invalid {
    #[error("the signature is not the sender's; sign again with the sender's key")]
    Signature,
    #[error("it is encoded in {0} bytes, more than {MAX_TX_BYTES}")]
    TooLong(usize),
    #[error("it is for network {found}, this is {expected}; check which node you speak to")]
    OtherChain { expected: ChainId, found: ChainId },
    #[error(
        "its nonce is {found}, the account's next is {expected}; it was sent before, or one before it is missing"
    )]
    Nonce { expected: u64, found: u64 },
    #[error("its fee is {offered}, the least for its size is {least}")]
    FeeTooLow { least: Amount, offered: Amount },
    #[error("its fee is {fee}, but the sender's balance is {balance}")]
    FeeUnaffordable { fee: Amount, balance: Amount },
    #[error("the block is full: its calls may cost {most} together")]
    BlockFull { most: u32 },
    #[error("the state belongs to no network: start from a genesis")]
    NoChain,
}

/// The first transaction that makes a block invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("transaction {index} may not be in the block")]
pub struct InvalidBlock {
    /// Its position in the block.
    pub index: usize,
    /// Why.
    #[source]
    pub reason: Invalid,
}

/// Why a block was not executed.
#[derive(Debug, Error)]
pub enum ExecuteError {
    /// It may not be on this state.
    #[error(transparent)]
    Invalid(#[from] InvalidBlock),
    /// Nothing about the block: the state below it could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a transaction was not admitted.
#[derive(Debug, Error)]
pub enum AdmitError {
    /// It may not be the block's next transaction.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Nothing about the transaction: the state could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Decides, one after another, which transactions a block on a state may hold.
///
/// Signatures are not looked at: [`Transaction::verify`] does that, once for each transaction.
pub struct Admission<'a> {
    store: &'a dyn Store,
    chain: Option<Chain>,
    accounts: BTreeMap<AccountId, Account>,
    fees: Amount,
    cost: u32,
}

impl<'a> Admission<'a> {
    /// For a block on `store`.
    ///
    /// # Errors
    /// [`ReadError`] when the state cannot be read.
    pub fn new(store: &'a dyn Store) -> Result<Admission<'a>, ReadError> {
        Ok(Admission {
            store,
            chain: Chain::of(store)?,
            accounts: BTreeMap::new(),
            fees: Amount::ZERO,
            cost: 0,
        })
    }

    /// Admits `tx` after those admitted before; a refused one changes nothing.
    ///
    /// # Errors
    /// Why it may not be the block's next transaction, or that the state cannot be read.
    pub fn admit(&mut self, tx: &Transaction) -> Result<(), AdmitError> {
        let chain = self.chain.as_ref().ok_or(Invalid::NoChain)?;
        if tx.chain != chain.id {
            return Err(Invalid::OtherChain {
                expected: chain.id,
                found: tx.chain,
            }
            .into());
        }
        let length = tx.encoded_len();
        if length > MAX_TX_BYTES {
            return Err(Invalid::TooLong(length).into());
        }
        let least = chain.parameters.min_fee(length);
        if tx.fee < least {
            return Err(Invalid::FeeTooLow {
                least,
                offered: tx.fee,
            }
            .into());
        }
        let (cost, most) = (tx.call.cost(), chain.parameters.max_block_cost);
        let cost = self.cost.saturating_add(cost);
        if cost > most {
            return Err(Invalid::BlockFull { most }.into());
        }
        let account = match self.accounts.entry(tx.sender) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(crate::query::account(self.store, &tx.sender)?),
        };
        if tx.nonce != account.nonce {
            return Err(Invalid::Nonce {
                expected: account.nonce,
                found: tx.nonce,
            }
            .into());
        }
        let unaffordable = Invalid::FeeUnaffordable {
            fee: tx.fee,
            balance: account.balance,
        };
        let balance = account
            .balance
            .checked_sub(tx.fee)
            .ok_or(unaffordable.clone())?;
        let nonce = account.nonce.checked_add(1).ok_or(unaffordable.clone())?;
        self.fees = self.fees.checked_add(tx.fee).ok_or(unaffordable)?;
        *account = Account { balance, nonce };
        self.cost = cost;
        Ok(())
    }
}

/// Whether a block on `store` may hold exactly these transactions, signatures included.
///
/// # Errors
/// The first that it may not hold, or that the state cannot be read.
pub fn check_block(store: &dyn Store, txs: &[Transaction]) -> Result<(), ExecuteError> {
    verify_signatures(txs)?;
    admit_all(store, txs).map(|_| ())
}

/// Executes a block on `store`.
///
/// # Errors
/// [`ExecuteError`]: an invalid block, as [`check_block`] finds it, or a state that cannot be
/// read. Nothing of the block has taken effect then.
pub fn execute_block(
    store: &dyn Store,
    context: &BlockContext,
    txs: &[Transaction],
) -> Result<Executed, ExecuteError> {
    verify_signatures(txs)?;
    execute_verified_block(store, context, txs)
}

/// [`execute_block`] for transactions whose signatures this process has verified already.
///
/// # Errors
/// As [`execute_block`], for everything but signatures.
pub fn execute_verified_block(
    store: &dyn Store,
    context: &BlockContext,
    txs: &[Transaction],
) -> Result<Executed, ExecuteError> {
    let admission = admit_all(store, txs)?;
    let no_chain = InvalidBlock {
        index: 0,
        reason: Invalid::NoChain,
    };
    let before = BlockInfo::of(store)?;
    let mut state = State::new(store, admission.chain.ok_or(no_chain)?, before, *context);
    for (account, value) in &admission.accounts {
        state.save_account(account, value);
    }
    let left = pay_proposer(&mut state, admission.fees);
    let mut pools: Pools = state.load(&keys::pools()).unwrap_or_default();
    // All fees together were part of the supply, which fits.
    pools.treasury = pools.treasury.checked_add(left).unwrap_or(pools.treasury);
    state.save(keys::pools(), &pools);
    let info = BlockInfo::next(before, context);
    state.save(keys::block(), &info);

    let mut events = state.commit();
    events.extend(begin::begin(&mut state));
    let receipts = txs.iter().map(|tx| execute_one(&mut state, tx)).collect();
    let receipts = BlockReceipts { events, receipts };
    let receipts_root = receipts.tree().root();
    let mut writes = state.finish()?;
    totals::count(store, &mut writes)?;
    Ok(Executed {
        writes,
        receipts,
        receipts_root,
    })
}

/// Pays the owner of whoever proposed the block its share of the fees; returns what is left.
fn pay_proposer(state: &mut State<'_>, fees: Amount) -> Amount {
    let turn = state.context.view;
    let Some(proposer) = turn.and_then(|view| state.chain.proposer(view)) else {
        return fees;
    };
    let share = state.chain.parameters.proposer_rate.of(fees);
    let Some(left) = fees.checked_sub(share).filter(|_| share > Amount::ZERO) else {
        return fees;
    };
    let owner = state.owner(&proposer);
    match money::credit(state, &owner, share) {
        Ok(()) => left,
        Err(_) => fees,
    }
}

fn execute_one(state: &mut State<'_>, tx: &Transaction) -> Receipt {
    let result = call::apply(state, tx);
    let (status, events) = match result {
        Ok(()) => (Status::Applied, state.commit()),
        Err(refusal) => {
            state.roll_back();
            (Status::Refused(refusal), Vec::new())
        }
    };
    Receipt {
        tx: tx.id(),
        fee: tx.fee,
        status,
        events,
    }
}

fn verify_signatures(txs: &[Transaction]) -> Result<(), InvalidBlock> {
    match txs.iter().position(|tx| tx.verify().is_err()) {
        Some(index) => Err(InvalidBlock {
            index,
            reason: Invalid::Signature,
        }),
        None => Ok(()),
    }
}

fn admit_all<'a>(store: &'a dyn Store, txs: &[Transaction]) -> Result<Admission<'a>, ExecuteError> {
    let mut admission = Admission::new(store)?;
    for (index, tx) in txs.iter().enumerate() {
        admission.admit(tx).map_err(|error| match error {
            AdmitError::Invalid(reason) => InvalidBlock { index, reason }.into(),
            AdmitError::Read(error) => ExecuteError::Read(error),
        })?;
    }
    Ok(admission)
}
