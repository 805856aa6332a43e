//! Moving money. Every function takes from one place exactly what it puts into others.

use crate::state::{Pools, State};
use crate::timers::Timer;
use crate::{AccountId, AccountRefusal, Amount, Refusal, Registration, Role, keys, sweep};

/// Takes `amount` from a balance.
pub(crate) fn debit(
    state: &mut State<'_>,
    account: &AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    let mut value = state.account(account);
    let balance = value.balance;
    let needed = amount;
    value.balance = balance
        .checked_sub(amount)
        .ok_or(AccountRefusal::InsufficientBalance { balance, needed })?;
    state.save_account(account, &value);
    Ok(())
}

/// Adds `amount` to a balance.
pub(crate) fn credit(
    state: &mut State<'_>,
    account: &AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    let mut value = state.account(account);
    value.balance = plus(value.balance, amount)?;
    state.save_account(account, &value);
    Ok(())
}

/// Locks `amount` of a bond for an order, which takes one of the account's slots until all of it is
/// unlocked or cut. The caller has seen that so much is free.
pub(crate) fn lock(
    state: &mut State<'_>,
    role: Role,
    account: &AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    let mut registration = registered(state, role, account)?;
    registration.locked = plus(registration.locked, amount)?;
    registration.serving = registration.serving.saturating_add(1);
    if registration.locked > registration.bond {
        return Err(AccountRefusal::Overflow.into());
    }
    state.save_registration(role, account, &registration);
    Ok(())
}

/// Gives a locked part of a bond back to its holder: free again, or unbonding when leaving.
pub(crate) fn unlock(
    state: &mut State<'_>,
    role: Role,
    account: &AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    let mut registration = registered(state, role, account)?;
    registration.locked = minus(registration.locked, amount)?;
    registration.serving = registration.serving.saturating_sub(1);
    if registration.leaving {
        start_unbonding(state, role, account, &mut registration, amount)?;
    }
    state.save_registration(role, account, &registration);
    sweep::rouse(state);
    Ok(())
}

/// Moves `amount` of a bond on its way back to the balance.
pub(crate) fn start_unbonding(
    state: &mut State<'_>,
    role: Role,
    account: &AccountId,
    registration: &mut Registration,
    amount: Amount,
) -> Result<(), Refusal> {
    if amount == Amount::ZERO {
        return Ok(());
    }
    registration.bond = minus(registration.bond, amount)?;
    let at = state.time().after(state.chain.parameters.unbonding_ms);
    let key = Timer::Bond(role, *account).key(at.0);
    let before: Amount = state.load(&key).unwrap_or_default();
    state.save(key, &plus(before, amount)?);
    Ok(())
}

/// Takes `cut` of a locked part of `amount` of a bond, and releases the rest of that part. What is
/// cut is nobody's until the caller pays it out.
pub(crate) fn cut(
    state: &mut State<'_>,
    role: Role,
    account: &AccountId,
    amount: Amount,
    cut: Amount,
) -> Result<(), Refusal> {
    let mut registration = registered(state, role, account)?;
    registration.locked = minus(registration.locked, cut)?;
    registration.bond = minus(registration.bond, cut)?;
    let rest = minus(amount, cut)?;
    if rest == Amount::ZERO {
        registration.serving = registration.serving.saturating_sub(1);
    }
    state.save_registration(role, account, &registration);
    if rest > Amount::ZERO {
        return unlock(state, role, account, rest);
    }
    sweep::rouse(state);
    Ok(())
}

/// Adds to what slashed bonds left over.
pub(crate) fn to_pot(state: &mut State<'_>, amount: Amount) -> Result<(), Refusal> {
    let mut pools: Pools = state.load(&keys::pools()).unwrap_or_default();
    pools.pot = plus(pools.pot, amount)?;
    state.save(keys::pools(), &pools);
    Ok(())
}

/// Adds to what the network holds for itself.
pub(crate) fn to_treasury(state: &mut State<'_>, amount: Amount) -> Result<(), Refusal> {
    let mut pools: Pools = state.load(&keys::pools()).unwrap_or_default();
    pools.treasury = plus(pools.treasury, amount)?;
    state.save(keys::pools(), &pools);
    Ok(())
}

/// The sum, refused on overflow.
pub(crate) fn plus(a: Amount, b: Amount) -> Result<Amount, Refusal> {
    Ok(a.checked_add(b).ok_or(AccountRefusal::Overflow)?)
}

/// The difference, refused when `b` is more.
pub(crate) fn minus(a: Amount, b: Amount) -> Result<Amount, Refusal> {
    Ok(a.checked_sub(b).ok_or(AccountRefusal::Overflow)?)
}

fn registered(state: &State<'_>, role: Role, account: &AccountId) -> Result<Registration, Refusal> {
    let account = *account;
    let registration = state.registration(role, &account);
    Ok(registration.ok_or(AccountRefusal::NotRegistered { account, role })?)
}
