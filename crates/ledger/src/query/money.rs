//! Where all the money is.

use super::{Read, accounts, chain, read, registrations, unbonding, values};
use crate::files::keys as file_keys;
use crate::orders::keys as order_keys;
use crate::state::Pools;
use crate::{Amount, FileContract, Head, Role, Store, keys};

/// Where all the money is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Supply {
    /// Spendable balances.
    pub balances: Amount,
    /// Bonds, locked parts included.
    pub bonds: Amount,
    /// Bonds on their way back.
    pub unbonding: Amount,
    /// Held by orders, and for what storage nodes earn.
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

/// Where all the money is, as blocks have counted it.
pub fn supply(store: &dyn Store) -> Read<Supply> {
    let pools: Pools = read(store, &keys::pools())?.unwrap_or_default();
    let held = pools.held;
    let parts = [held.balances, held.bonds, held.unbonding, held.escrow];
    let all = parts.into_iter().chain([pools.treasury, pools.pot]);
    Ok(Supply {
        balances: held.balances,
        bonds: held.bonds,
        unbonding: held.unbonding,
        escrow: held.escrow,
        treasury: pools.treasury,
        pot: pools.pot,
        total: sum(all),
        genesis: chain(store)?.map(|chain| chain.supply).unwrap_or_default(),
    })
}

/// Counts all the money anew; reads the whole state.
pub fn counted_supply(store: &dyn Store) -> Read<Supply> {
    let pools: Pools = read(store, &keys::pools())?.unwrap_or_default();
    let balances = sum(accounts(store)?.iter().map(|(_, account)| account.balance));
    let mut registered = Vec::new();
    for role in Role::ALL {
        registered.extend(registrations(store, role)?);
    }
    let bonds = sum(registered.iter().map(|(_, registration)| registration.bond));
    let unbonding = sum(unbonding(store)?.iter().map(|entry| entry.3));
    let held: Vec<Head> = values(store, &order_keys::heads())?;
    let kept: Vec<FileContract> = values(store, &file_keys::contracts())?;
    let held = held.iter().flat_map(|head| [head.escrow, head.deposit]);
    let escrow = sum(held.chain(kept.iter().map(|contract| contract.escrow)));
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
