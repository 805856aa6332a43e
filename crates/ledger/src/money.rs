//! Moving money. Every function takes from one place exactly what it puts into others.

use crate::state::{Pools, State};
use crate::{AccountId, Amount, Event, Order, Ppm, Refusal, Registration, Role, SlashReason, keys};

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
        .ok_or(Refusal::InsufficientBalance { balance, needed })?;
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
    value.balance = value.balance.checked_add(amount).ok_or(Refusal::Overflow)?;
    state.save_account(account, &value);
    Ok(())
}

/// Pays `amount` out of an order, a cut bond or a deposit.
pub(crate) fn pay(
    state: &mut State<'_>,
    order: &Order,
    account: &AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    if amount > Amount::ZERO {
        credit(state, account, amount)?;
        state.emit(Event::Paid {
            order: order.id,
            account: *account,
            amount,
        });
    }
    Ok(())
}

/// Pays `amount` out of an order's escrow.
pub(crate) fn pay_from_escrow(
    state: &mut State<'_>,
    order: &mut Order,
    account: &AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    order.escrow = order.escrow.checked_sub(amount).ok_or(Refusal::Overflow)?;
    pay(state, order, account, amount)
}

/// Pays an order's complaint deposit out.
pub(crate) fn pay_deposit(
    state: &mut State<'_>,
    order: &mut Order,
    account: &AccountId,
) -> Result<(), Refusal> {
    let deposit = std::mem::take(&mut order.deposit);
    pay(state, order, account, deposit)
}

/// Locks `amount` of a bond for an order. The caller has seen that so much is free.
pub(crate) fn lock(
    state: &mut State<'_>,
    role: Role,
    account: &AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    let mut registration = registered(state, role, account)?;
    registration.locked = registration
        .locked
        .checked_add(amount)
        .ok_or(Refusal::Overflow)?;
    if registration.locked > registration.bond {
        return Err(Refusal::Overflow);
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
    registration.locked = registration
        .locked
        .checked_sub(amount)
        .ok_or(Refusal::Overflow)?;
    if registration.leaving {
        start_unbonding(state, role, account, &mut registration, amount)?;
    }
    state.save_registration(role, account, &registration);
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
    registration.bond = registration
        .bond
        .checked_sub(amount)
        .ok_or(Refusal::Overflow)?;
    let at = state.now().after(state.chain.parameters.unbonding_blocks);
    let key = keys::unbonding(at, role, account);
    let before: Amount = state.load(&key).unwrap_or_default();
    state.save(key, &before.checked_add(amount).ok_or(Refusal::Overflow)?);
    Ok(())
}

/// One locked part of one bond, and the order that locked it.
pub(crate) struct Locked<'a> {
    pub(crate) order: &'a Order,
    pub(crate) role: Role,
    pub(crate) account: AccountId,
    pub(crate) amount: Amount,
}

/// Cuts `rate` of a locked bond and releases the rest of it; returns what was cut.
///
/// [`Parameters::reward_rate`](crate::Parameters::reward_rate) of it is split evenly among
/// `rewarded`, what is left goes to the pot.
pub(crate) fn slash(
    state: &mut State<'_>,
    locked: &Locked<'_>,
    rate: Ppm,
    reason: SlashReason,
    rewarded: &[AccountId],
) -> Result<Amount, Refusal> {
    let Locked {
        order,
        role,
        account,
        amount,
    } = locked;
    let cut = rate.of(*amount);
    let mut registration = registered(state, *role, account)?;
    registration.locked = registration
        .locked
        .checked_sub(cut)
        .ok_or(Refusal::Overflow)?;
    registration.bond = registration
        .bond
        .checked_sub(cut)
        .ok_or(Refusal::Overflow)?;
    state.save_registration(*role, account, &registration);
    let rest = amount.checked_sub(cut).ok_or(Refusal::Overflow)?;
    if rest > Amount::ZERO {
        unlock(state, *role, account, rest)?;
    }
    let (order_id, role) = (order.id, *role);
    state.emit(Event::Slashed {
        order: order_id,
        account: *account,
        role,
        amount: cut,
        reason,
    });

    let reward = state.chain.parameters.reward_rate.of(cut);
    let share = Amount(reward.0.checked_div(rewarded.len() as u64).unwrap_or(0));
    let mut left = cut;
    for receiver in rewarded {
        pay(state, order, receiver, share)?;
        left = left.checked_sub(share).ok_or(Refusal::Overflow)?;
    }
    let mut pools: Pools = state.load(&keys::pools()).unwrap_or_default();
    pools.pot = pools.pot.checked_add(left).ok_or(Refusal::Overflow)?;
    state.save(keys::pools(), &pools);
    Ok(cut)
}

fn registered(state: &State<'_>, role: Role, account: &AccountId) -> Result<Registration, Refusal> {
    let account = *account;
    state
        .registration(role, &account)
        .ok_or(Refusal::NotRegistered { account, role })
}
