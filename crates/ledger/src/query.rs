//! Typed reads of a state.

use borsh::BorshDeserialize;

use crate::keys;
use crate::state::{BlockInfo, Chain, Pools};
use crate::{
    Account, AccountId, Amount, ChainId, FileId, FileRecord, Height, Order, OrderId, Parameters,
    Registration, Role, Store,
};

fn read<T: BorshDeserialize>(store: &dyn Store, key: &[u8]) -> Option<T> {
    T::try_from_slice(&store.get(key)?).ok()
}

fn read_all<T: BorshDeserialize>(store: &dyn Store, prefix: &[u8]) -> Vec<(Vec<u8>, T)> {
    let pairs = store.range(prefix).into_iter();
    pairs
        .filter_map(|(key, value)| Some((key, T::try_from_slice(&value).ok()?)))
        .collect()
}

fn chain(store: &dyn Store) -> Option<Chain> {
    read(store, &keys::chain())
}

/// The network's name.
pub fn chain_id(store: &dyn Store) -> Option<ChainId> {
    chain(store).map(|chain| chain.id)
}

/// Height of the last block executed; 0 on the genesis state.
pub fn height(store: &dyn Store) -> Height {
    read::<BlockInfo>(store, &keys::block())
        .map(|block| block.height)
        .unwrap_or_default()
}

/// The network's numbers.
pub fn parameters(store: &dyn Store) -> Option<Parameters> {
    chain(store).map(|chain| chain.parameters)
}

/// Who agrees on blocks and attests in disputes, ascending.
pub fn validators(store: &dyn Store) -> Vec<AccountId> {
    chain(store)
        .map(|chain| chain.validators)
        .unwrap_or_default()
}

/// The account of a key; empty if it was never credited.
pub fn account(store: &dyn Store, account: &AccountId) -> Account {
    read(store, &keys::account(account)).unwrap_or_default()
}

/// Every account, ascending.
pub fn accounts(store: &dyn Store) -> Vec<(AccountId, Account)> {
    let all = read_all(store, &keys::accounts());
    all.into_iter()
        .filter_map(|(key, value)| Some((keys::account_of(&key)?, value)))
        .collect()
}

/// An account's registration in a role.
pub fn registration(store: &dyn Store, role: Role, account: &AccountId) -> Option<Registration> {
    read(store, &keys::registration(role, account))
}

/// Everybody registered in a role, ascending.
pub fn registrations(store: &dyn Store, role: Role) -> Vec<(AccountId, Registration)> {
    let all = read_all(store, &keys::registrations(role));
    all.into_iter()
        .filter_map(|(key, value)| Some((keys::account_of(&key)?, value)))
        .collect()
}

/// All registered providers.
pub fn providers(store: &dyn Store) -> Vec<(AccountId, Registration)> {
    registrations(store, Role::Provider)
}

/// Bonds on their way back to balances: when, whose, of which role, how much.
pub fn unbonding(store: &dyn Store) -> Vec<(Height, AccountId, Role, Amount)> {
    let all = read_all(store, &keys::all_unbonding()).into_iter();
    all.filter_map(|(key, amount)| {
        let height = u64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
        Some((
            Height(height),
            keys::account_of(&key)?,
            keys::role_of_unbonding(&key)?,
            amount,
        ))
    })
    .collect()
}

/// A file as its owner recorded it.
pub fn file(store: &dyn Store, file: &FileId, owner: &AccountId) -> Option<FileRecord> {
    read(store, &keys::file(file, owner))
}

/// All records of a file, ascending by owner.
pub fn file_records(store: &dyn Store, file: &FileId) -> Vec<FileRecord> {
    read_all(store, &keys::file_owners(file))
        .into_iter()
        .map(|(_, record)| record)
        .collect()
}

/// Every file record.
pub fn files(store: &dyn Store) -> Vec<FileRecord> {
    read_all(store, &keys::files())
        .into_iter()
        .map(|(_, record)| record)
        .collect()
}

/// An order.
pub fn order(store: &dyn Store, order: &OrderId) -> Option<Order> {
    read(store, &keys::order(order))
}

/// Every order, final ones included.
pub fn orders(store: &dyn Store) -> Vec<Order> {
    read_all(store, &keys::orders())
        .into_iter()
        .map(|(_, order)| order)
        .collect()
}

/// Every order that is not final.
pub fn active_orders(store: &dyn Store) -> Vec<Order> {
    let active = store.range(&keys::all_active()).into_iter();
    active
        .filter_map(|(key, _)| order(store, &keys::order_of(&key)?))
        .collect()
}

/// Every order that changed at or after a height.
pub fn orders_changed(store: &dyn Store, since: Height) -> Vec<Order> {
    orders(store)
        .into_iter()
        .filter(|order| order.updated >= since)
        .collect()
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
pub fn genesis_supply(store: &dyn Store) -> Option<Amount> {
    chain(store).map(|chain| chain.supply)
}

/// Counts all the money; reads the whole state.
pub fn supply(store: &dyn Store) -> Supply {
    let pools: Pools = read(store, &keys::pools()).unwrap_or_default();
    let balances = sum(accounts(store).iter().map(|(_, account)| account.balance));
    let registered = Role::ALL
        .iter()
        .flat_map(|role| registrations(store, *role));
    let bonds = sum(registered.map(|(_, registration)| registration.bond));
    let unbonding = sum(unbonding(store).iter().map(|entry| entry.3));
    let held = active_orders(store);
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
    Supply {
        balances: balances.unwrap_or_default(),
        bonds: bonds.unwrap_or_default(),
        unbonding: unbonding.unwrap_or_default(),
        escrow: escrow.unwrap_or_default(),
        treasury: pools.treasury,
        pot: pools.pot,
        total,
        genesis: chain(store).map(|chain| chain.supply).unwrap_or_default(),
    }
}
