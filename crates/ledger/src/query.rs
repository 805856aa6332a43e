//! Typed reads of a state.
//!
//! Every read gives what the state holds, or a [`ReadError`] when that cannot be known: of a disk
//! that fails nobody concludes that an order or an account does not exist.

use borsh::BorshDeserialize;

use crate::state::{BlockInfo, Chain, Pools};
use crate::store::decode;
use crate::{
    Account, AccountId, Amount, ChainId, FileId, FileRecord, Height, Order, OrderId, Parameters,
    ReadError, Registration, Role, Store, keys,
};

/// What a read gives.
pub type Read<T> = Result<T, ReadError>;

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
    let block: Option<BlockInfo> = read(store, &keys::block())?;
    Ok(block.map(|block| block.height).unwrap_or_default())
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
    Ok(read(store, &keys::account(account))?.unwrap_or_default())
}

/// Every account, ascending.
pub fn accounts(store: &dyn Store) -> Read<Vec<(AccountId, Account)>> {
    let all = read_all(store, &keys::accounts())?.into_iter();
    Ok(all
        .filter_map(|(key, value)| Some((keys::account_of(&key)?, value)))
        .collect())
}

/// An account's registration in a role.
pub fn registration(
    store: &dyn Store,
    role: Role,
    account: &AccountId,
) -> Read<Option<Registration>> {
    read(store, &keys::registration(role, account))
}

/// Everybody registered in a role, ascending.
pub fn registrations(store: &dyn Store, role: Role) -> Read<Vec<(AccountId, Registration)>> {
    let all = read_all(store, &keys::registrations(role))?.into_iter();
    Ok(all
        .filter_map(|(key, value)| Some((keys::account_of(&key)?, value)))
        .collect())
}

/// Bonds on their way back to balances: when, whose, of which role, how much.
pub fn unbonding(store: &dyn Store) -> Read<Vec<(Height, AccountId, Role, Amount)>> {
    let all = read_all(store, &keys::all_unbonding())?.into_iter();
    Ok(all
        .filter_map(|(key, amount)| {
            let height = u64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
            Some((
                Height(height),
                keys::account_of(&key)?,
                keys::role_of_unbonding(&key)?,
                amount,
            ))
        })
        .collect())
}

/// A file as its owner recorded it.
pub fn file(store: &dyn Store, file: &FileId, owner: &AccountId) -> Read<Option<FileRecord>> {
    read(store, &keys::file(file, owner))
}

/// All records of a file, ascending by owner.
pub fn file_records(store: &dyn Store, file: &FileId) -> Read<Vec<FileRecord>> {
    values(store, &keys::file_owners(file))
}

/// Every file record.
pub fn files(store: &dyn Store) -> Read<Vec<FileRecord>> {
    values(store, &keys::files())
}

/// An order.
pub fn order(store: &dyn Store, order: &OrderId) -> Read<Option<Order>> {
    read(store, &keys::order(order))
}

/// Every order, final ones included.
pub fn orders(store: &dyn Store) -> Read<Vec<Order>> {
    values(store, &keys::orders())
}

fn values<T: BorshDeserialize>(store: &dyn Store, prefix: &[u8]) -> Read<Vec<T>> {
    let all = read_all(store, prefix)?.into_iter();
    Ok(all.map(|(_, value)| value).collect())
}

/// Every order that is not final.
pub fn active_orders(store: &dyn Store) -> Read<Vec<Order>> {
    let active = store.range(&keys::all_active())?.into_iter();
    active
        .filter_map(|(key, _)| order(store, &keys::order_of(&key)?).transpose())
        .collect()
}

/// Every order that changed at or after a height.
pub fn orders_changed(store: &dyn Store, since: Height) -> Read<Vec<Order>> {
    let mut changed = orders(store)?;
    changed.retain(|order| order.updated >= since);
    Ok(changed)
}

/// Where all the money is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Supply {
    /// Spendable balances.
    pub balances: Amount,
    /// Bonds, locked parts included.
    pub bonds: Amount,
    /// Bonds on their way back.
    pub unbonding: Amount,
    /// Held by orders.
    pub escrow: Amount,
    /// Collected fees.
    pub treasury: Amount,
    /// What slashed bonds left over.
    pub pot: Amount,
    /// All of the above; `None` if it overflows, which no reachable state does.
    pub total: Option<Amount>,
    /// What the genesis gave out.
    pub genesis: Amount,
}

fn sum(mut amounts: impl Iterator<Item = Amount>) -> Option<Amount> {
    amounts.try_fold(Amount::ZERO, Amount::checked_add)
}

/// All the money there is: what the genesis gave out.
pub fn genesis_supply(store: &dyn Store) -> Read<Option<Amount>> {
    Ok(chain(store)?.map(|chain| chain.supply))
}

/// Counts all the money; reads the whole state.
pub fn supply(store: &dyn Store) -> Read<Supply> {
    let pools: Pools = read(store, &keys::pools())?.unwrap_or_default();
    let balances = sum(accounts(store)?.iter().map(|(_, account)| account.balance));
    let mut registered = Vec::new();
    for role in Role::ALL {
        registered.extend(registrations(store, role)?);
    }
    let bonds = sum(registered.iter().map(|(_, registration)| registration.bond));
    let unbonding = sum(unbonding(store)?.iter().map(|entry| entry.3));
    let held = active_orders(store)?;
    let escrow = sum(held.iter().flat_map(|order| [order.escrow, order.deposit]));
    let parts = [
        balances,
        bonds,
        unbonding,
        escrow,
        Some(pools.treasury),
        Some(pools.pot),
    ];
    let total = parts
        .iter()
        .try_fold(Amount::ZERO, |sum, part| sum.checked_add((*part)?));
    Ok(Supply {
        balances: balances.unwrap_or_default(),
        bonds: bonds.unwrap_or_default(),
        unbonding: unbonding.unwrap_or_default(),
        escrow: escrow.unwrap_or_default(),
        treasury: pools.treasury,
        pot: pools.pot,
        total,
        genesis: chain(store)?.map(|chain| chain.supply).unwrap_or_default(),
    })
}
