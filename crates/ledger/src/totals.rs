//! How much money of each sort there is, counted as records change.
//!
//! A block knows every record that it changes, before and after, so the differences are all that it has to add
//! up; nobody has to read the whole state to know where the money is. Which records hold money is said
//! once, in [`held`].

use crate::accounts::keys as account_keys;
use crate::files::keys as file_keys;
use crate::held::Totals;
use crate::orders::keys as order_keys;
use crate::state::{Pools, Writes};
use crate::timers::{self, Timer};
use crate::{Account, Amount, FileContract, Head, ReadError, Registration, Store, keys, store};

/// The money in one record.
fn held(key: &[u8], value: &[u8]) -> Result<Totals, ReadError> {
    let mut held = Totals::default();
    if key.starts_with(&account_keys::accounts()) {
        held.balances = store::decode::<Account>(key, value)?.balance;
    } else if key.starts_with(&account_keys::all_registrations()) {
        held.bonds = store::decode::<Registration>(key, value)?.bond;
    } else if key.starts_with(&order_keys::heads()) {
        let head = store::decode::<Head>(key, value)?;
        held.escrow = sum(head.escrow, head.deposit);
    } else if key.starts_with(&file_keys::contracts()) {
        held.escrow = store::decode::<FileContract>(key, value)?.escrow;
    } else if let Some((_, Timer::Bond(..))) = timers::of_key(key) {
        held.unbonding = store::decode(key, value)?;
    }
    Ok(held)
}

/// The money in all records of a genesis.
pub(crate) fn of_all<'r>(
    records: impl Iterator<Item = (&'r Vec<u8>, &'r Vec<u8>)>,
) -> Result<Totals, ReadError> {
    let mut totals = Totals::default();
    for (key, value) in records {
        totals = totals.changed(Totals::default(), held(key, value)?);
    }
    Ok(totals)
}

fn sum(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).unwrap_or(a)
}

/// Brings the totals in a block's writes up to what its other writes made of `store`.
///
/// # Errors
/// [`ReadError`] when the state below cannot be read.
pub(crate) fn count(store: &dyn Store, writes: &mut Writes) -> Result<(), ReadError> {
    let key = keys::pools();
    let Some(Some(pools)) = writes.get(&key) else {
        return Ok(());
    };
    let mut pools: Pools = store::decode(&key, pools)?;
    for (key, value) in writes.iter() {
        let of = |value: Option<&[u8]>| match value {
            Some(value) => held(key, value),
            None => Ok(Totals::default()),
        };
        let after = of(value.as_deref())?;
        // Most records hold none, and of those nothing has to be read.
        if after == Totals::default() && !may_hold(key) {
            continue;
        }
        let before = of(store.get(key)?.as_deref())?;
        pools.held = pools.held.changed(before, after);
    }
    // Serialising into memory cannot fail.
    writes.insert(key, Some(borsh::to_vec(&pools).unwrap_or_default()));
    Ok(())
}

fn may_hold(key: &[u8]) -> bool {
    let tags = [
        account_keys::accounts(),
        account_keys::all_registrations(),
        order_keys::heads(),
        file_keys::contracts(),
    ];
    tags.iter().any(|tag| key.starts_with(tag))
        || matches!(timers::of_key(key), Some((_, Timer::Bond(..))))
}
