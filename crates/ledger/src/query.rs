//! Typed reads of a state.
//!
//! Every read gives what the state holds, or a [`ReadError`] when that cannot be known: of a disk
//! that fails nobody concludes that an order or an account does not exist.

mod money;

use assay_crypto::EncryptionKey;
use borsh::BorshDeserialize;

pub use self::money::{Supply, counted_supply, supply};

use crate::accounts::keys as account_keys;
use crate::files::keys as file_keys;
use crate::orders::keys as order_keys;
use crate::orders::turn;
use crate::state::{BlockInfo, Chain};
use crate::store::decode;
use crate::timers::{self, Timer};
use crate::{
    Account, AccountId, Amount, Answered, Call, ChainId, Claim, FileContract, FileGrant, FileId,
    FileRecord, Grant, Head, Height, LedgerTime, Moment, Order, OrderId, Parameters, Phase, Place,
    ReadError, Registration, Role, RunIndex, Store, Trainer, Turn, keys,
};

/// What a read gives.
pub type Read<T> = Result<T, ReadError>;
type Contract = Option<FileContract>;

fn read<T: BorshDeserialize>(store: &dyn Store, key: &[u8]) -> Read<Option<T>> {
    let value = store.get(key)?;
    value.map(|value| decode(key, &value)).transpose()
}

fn read_all<T: BorshDeserialize>(store: &dyn Store, prefix: &[u8]) -> Read<Vec<(Vec<u8>, T)>> {
    let pairs = store.range(prefix)?.into_iter();
    pairs
        .map(|(key, value)| {
            let value = decode(&key, &value)?;
            Ok((key, value))
        })
        .collect()
}

fn chain(store: &dyn Store) -> Read<Option<Chain>> {
    Chain::of(store)
}

/// The network's name.
pub fn chain_id(store: &dyn Store) -> Read<Option<ChainId>> {
    Ok(chain(store)?.map(|chain| chain.id))
}

/// Height of the last block executed; 0 on the genesis state.
pub fn height(store: &dyn Store) -> Read<Height> {
    Ok(now(store)?.height)
}

/// Height and ledger time of the last block executed; both 0 on the genesis state.
pub fn now(store: &dyn Store) -> Read<Moment> {
    let block: Option<BlockInfo> = read(store, &keys::block())?;
    let now = block.map(|BlockInfo { time, height, .. }| Moment { time, height });
    Ok(now.unwrap_or_default())
}

/// The network's numbers.
pub fn parameters(store: &dyn Store) -> Read<Option<Parameters>> {
    Ok(chain(store)?.map(|chain| chain.parameters))
}

/// Who agrees on blocks and attests in disputes, ascending.
pub fn validators(store: &dyn Store) -> Read<Vec<AccountId>> {
    let chain = chain(store)?;
    Ok(chain.map(|chain| chain.validators).unwrap_or_default())
}

/// The account of a key; empty if it was never credited.
pub fn account(store: &dyn Store, account: &AccountId) -> Read<Account> {
    Ok(read(store, &account_keys::account(account))?.unwrap_or_default())
}

/// Who owns a node: itself, unless it consented to an owner.
pub fn owner(store: &dyn Store, node: &AccountId) -> Read<AccountId> {
    Ok(read(store, &account_keys::owner(node))?.unwrap_or(*node))
}

/// Every account, ascending.
pub fn accounts(store: &dyn Store) -> Read<Vec<(AccountId, Account)>> {
    let all = read_all(store, &account_keys::accounts())?.into_iter();
    Ok(all
        .filter_map(|(key, value)| Some((account_keys::account_of(&key)?, value)))
        .collect())
}

/// An account's registration in a role.
pub fn registration(
    store: &dyn Store,
    role: Role,
    account: &AccountId,
) -> Read<Option<Registration>> {
    read(store, &account_keys::registration(role, account))
}

/// Everybody registered in a role, ascending.
pub fn registrations(store: &dyn Store, role: Role) -> Read<Vec<(AccountId, Registration)>> {
    let all = read_all(store, &account_keys::registrations(role))?.into_iter();
    Ok(all
        .filter_map(|(key, value)| Some((account_keys::account_of(&key)?, value)))
        .collect())
}

/// Bonds on their way back to balances: when, whose, of which role, how much. Reads all of
/// them.
pub fn unbonding(store: &dyn Store) -> Read<Vec<(LedgerTime, AccountId, Role, Amount)>> {
    let [(bonds, _), ..] = timers::kinds();
    let timers = store.range(&bonds)?.into_iter();
    timers
        .filter_map(|(key, value)| match Timer::of(&key)? {
            (due, Timer::Bond(role, account)) => {
                let amount = decode(&key, &value);
                Some(amount.map(|amount| (LedgerTime(due), account, role, amount)))
            }
            _ => None,
        })
        .collect()
}

/// A file as its owner recorded it.
pub fn file(store: &dyn Store, file: &FileId, owner: &AccountId) -> Read<Option<FileRecord>> {
    read(store, &file_keys::file(file, owner))
}

/// Under what a recorded file is kept.
pub fn file_contract(store: &dyn Store, file: &FileId, owner: &AccountId) -> Read<Contract> {
    read(store, &file_keys::contract(file, owner))
}

/// All records of a file, ascending by owner.
pub fn file_records(store: &dyn Store, file: &FileId) -> Read<Vec<FileRecord>> {
    values(store, &file_keys::owners(file))
}

/// Every file record.
pub fn files(store: &dyn Store) -> Read<Vec<FileRecord>> {
    values(store, &file_keys::files())
}

/// The first `limit` file records, ascending by file, and whether there are more.
pub fn first_files(store: &dyn Store, limit: usize) -> Read<Page<FileRecord>> {
    first(store, &file_keys::files(), limit)
}

/// The first `limit` records of an owner's files, and whether there are more.
pub fn files_of(store: &dyn Store, owner: &AccountId, limit: usize) -> Read<Page<FileRecord>> {
    let prefix = file_keys::all_owned(owner);
    let named = file_keys::file_of_owned;
    let (found, more) = index(store, &prefix, limit, named)?;
    let records = found
        .iter()
        .filter_map(|id| file(store, id, owner).transpose());
    Ok(Page {
        entries: records.collect::<Read<_>>()?,
        more,
    })
}

/// The grant of an owner's file to an account.
pub fn file_grant(
    store: &dyn Store,
    file: &FileId,
    owner: &AccountId,
    grantee: &AccountId,
) -> Read<Option<FileGrant>> {
    read(store, &file_keys::grant(file, owner, grantee))
}

/// Every grant of an owner's file, those that are over included.
pub fn file_grants(store: &dyn Store, file: &FileId, owner: &AccountId) -> Read<Vec<FileGrant>> {
    values(store, &file_keys::grants(file, owner))
}

/// The first `limit` grants of an owner's files, those that are over included.
pub fn grants_of(store: &dyn Store, owner: &AccountId, limit: usize) -> Read<Page<FileGrant>> {
    first(store, &file_keys::all_grants(owner), limit)
}

/// The first `limit` grants to an account, those that are over included.
pub fn grants_to(store: &dyn Store, grantee: &AccountId, limit: usize) -> Read<Page<FileGrant>> {
    let prefix = file_keys::all_granted(grantee);
    let named = file_keys::file_of_granted;
    let (found, more) = index(store, &prefix, limit, named)?;
    let grants = found
        .iter()
        .filter_map(|(file, owner)| file_grant(store, file, owner, grantee).transpose());
    Ok(Page {
        entries: grants.collect::<Read<_>>()?,
        more,
    })
}

/// An account's part in an order with rounds, if it ever joined it.
pub fn trainer(store: &dyn Store, order: &OrderId, account: &AccountId) -> Read<Option<Trainer>> {
    let number: Option<u16> = read(store, &order_keys::trains(order, account))?;
    number.map_or(Ok(None), |number| {
        read(store, &order_keys::trainer(order, number))
    })
}

/// The trainer with a number, of an order with rounds.
pub fn numbered_trainer(store: &dyn Store, order: &OrderId, number: u16) -> Read<Option<Trainer>> {
    read(store, &order_keys::trainer(order, number))
}

/// Everybody who is, or was, a trainer of an order with rounds, ascending by number. Reads all of them.
pub fn trainers(store: &dyn Store, order: &OrderId) -> Read<Vec<Trainer>> {
    values(store, &order_keys::all_trainers(order))
}

/// An account's claim in a contest, if it made one and did not take it back.
pub fn claim(store: &dyn Store, order: &OrderId, account: &AccountId) -> Read<Option<Claim>> {
    read(store, &order_keys::claim(order, account))
}

/// Every claim of a contest, ascending by account.
pub fn claims(store: &dyn Store, order: &OrderId) -> Read<Vec<Claim>> {
    values(store, &order_keys::all_claims(order))
}

/// The custodians of keys that are dealt now: the validators in their order, with their encryption keys.
pub fn custodians(store: &dyn Store) -> Read<Vec<(AccountId, EncryptionKey)>> {
    let validators = validators(store)?.into_iter();
    let keys = validators.map(|account| {
        let registration = registration(store, Role::Validator, &account)?;
        let key = registration.map_or(EncryptionKey([0; 32]), |of| of.encryption_key);
        Ok((account, key))
    });
    keys.collect()
}

/// An order with its runs and disputes.
pub fn order(store: &dyn Store, order: &OrderId) -> Read<Option<Order>> {
    let Some(head) = head(store, order)? else {
        return Ok(None);
    };
    let runs = (0..head.begun)
        .filter_map(|run| read(store, &order_keys::run(order, RunIndex(run))).transpose());
    let runs = runs.collect::<Read<_>>()?;
    let disputes = (0..head.disputed)
        .filter_map(|number| read(store, &order_keys::dispute(order, number)).transpose());
    let disputes = disputes.collect::<Read<_>>()?;
    let contest = match head.terms.contest {
        Some(_) => read(store, &order_keys::contest(order))?,
        None => None,
    };
    Ok(Some(Order {
        head,
        runs,
        disputes,
        contest,
    }))
}

/// The lists of an order whose windows are closed, in the order in which they were drawn.
pub fn lists(store: &dyn Store, head: &Head) -> Read<Vec<Answered>> {
    let lists = (0..head.lists).map(|number| read(store, &order_keys::list(&head.id, number)));
    lists.filter_map(Result::transpose).collect()
}

/// An order's head alone.
pub fn head(store: &dyn Store, order: &OrderId) -> Read<Option<Head>> {
    read(store, &order_keys::head(order))
}

/// Keys that one party handed to another at one place.
pub fn grant(
    store: &dyn Store,
    place: &Place,
    from: &AccountId,
    to: &AccountId,
) -> Read<Option<Grant>> {
    read(store, &order_keys::grant(place, from, to))
}

/// Everything that parties handed to each other in a run, while it stands and its order is under way.
pub fn grants(store: &dyn Store, order: &OrderId, run: RunIndex) -> Read<Vec<Grant>> {
    values(store, &order_keys::grants(order, run))
}

/// The move that a call of `sender` would be, if its order waits for it.
pub fn turn(store: &dyn Store, sender: AccountId, call: &Call) -> Read<Option<Turn>> {
    turn::turn(store, sender, call)
}

/// Whether an order stands in line for a draw, which the next block with a beacon makes. Those that nobody
/// takes lie aside and do not count.
pub fn awaits_draw(store: &dyn Store) -> Read<bool> {
    let lines = order_keys::lines();
    Ok(!store.scan(&lines, &lines, 1)?.is_empty())
}

/// Every order, final ones included. Reads all of them: for small states and tests.
pub fn orders(store: &dyn Store) -> Read<Vec<Order>> {
    let heads: Vec<Head> = values(store, &order_keys::heads())?;
    let orders = heads
        .iter()
        .filter_map(|head| order(store, &head.id).transpose());
    orders.collect()
}

/// Every order that is not final. Reads all of them: for small states and tests.
pub fn active_orders(store: &dyn Store) -> Read<Vec<Order>> {
    let mut found = Vec::new();
    for phase in Phase::ALL.into_iter().filter(|phase| !phase.is_final()) {
        found.extend(listed(store, Which::In(phase), usize::MAX)?.entries);
    }
    Ok(found)
}

/// Which orders to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them, the latest change first.
    Latest,
    /// Those in one phase, the latest posted first.
    In(Phase),
    /// Those that an account posted, the latest first.
    PostedBy(AccountId),
    /// Those under way in which an account takes part: as requester, provider or auditor.
    WithPart(AccountId),
    /// Those with a dispute that the validators judge.
    Judged,
}

/// The first `limit` orders of an index, by name unless it says otherwise.
pub fn list(store: &dyn Store, which: Which, limit: usize) -> Read<Page<OrderId>> {
    let prefix = match which {
        Which::Latest => order_keys::all_updated(),
        Which::In(phase) => order_keys::all_in_phase(phase),
        Which::PostedBy(requester) => order_keys::all_posted_by(&requester),
        Which::WithPart(account) => order_keys::all_with_part(&account),
        Which::Judged => order_keys::all_judged(),
    };
    let (entries, more) = index(store, &prefix, limit, order_keys::order_of)?;
    Ok(Page { entries, more })
}

/// The first `limit` orders of an index, whole.
pub fn listed(store: &dyn Store, which: Which, limit: usize) -> Read<Page<Order>> {
    let page = list(store, which, limit)?;
    let orders = page
        .entries
        .iter()
        .filter_map(|id| order(store, id).transpose());
    Ok(Page {
        entries: orders.collect::<Read<_>>()?,
        more: page.more,
    })
}

/// Part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Its first entries.
    pub entries: Vec<T>,
    /// Whether there are more.
    pub more: bool,
}

/// The first `limit` names under an index, and whether there are more.
fn index<T>(
    store: &dyn Store,
    prefix: &[u8],
    limit: usize,
    named: impl Fn(&[u8]) -> Option<T>,
) -> Read<(Vec<T>, bool)> {
    let found = store.scan(prefix, prefix, limit.saturating_add(1))?;
    let names = found.iter().take(limit).filter_map(|(key, _)| named(key));
    Ok((names.collect(), found.len() > limit))
}

/// The first `limit` values under a prefix, and whether there are more.
fn first<T: BorshDeserialize>(store: &dyn Store, prefix: &[u8], limit: usize) -> Read<Page<T>> {
    let found = store.scan(prefix, prefix, limit.saturating_add(1))?;
    let values = found.iter().take(limit);
    let values = values.map(|(key, value)| decode(key, value));
    Ok(Page {
        entries: values.collect::<Read<_>>()?,
        more: found.len() > limit,
    })
}

fn values<T: BorshDeserialize>(store: &dyn Store, prefix: &[u8]) -> Read<Vec<T>> {
    let all = read_all(store, prefix)?.into_iter();
    Ok(all.map(|(_, value)| value).collect())
}

/// All the money there is: what the genesis gave out.
pub fn genesis_supply(store: &dyn Store) -> Read<Option<Amount>> {
    Ok(chain(store)?.map(|chain| chain.supply))
}
