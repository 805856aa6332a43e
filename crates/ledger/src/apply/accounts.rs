//! Transfers, and bonds behind roles.

use assay_crypto::EncryptionKey;

use crate::state::State;
use crate::{AccountId, Amount, BoundedString, Event, Refusal, Registration, Role, money};

/// Moves money between accounts.
pub(super) fn transfer(
    state: &mut State<'_>,
    from: AccountId,
    to: AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    if amount == Amount::ZERO {
        return Err(Refusal::ZeroAmount);
    }
    to.check().map_err(|_| Refusal::NotAKey { account: to })?;
    money::debit(state, &from, amount)?;
    money::credit(state, &to, amount)?;
    state.emit(Event::Transferred { from, to, amount });
    Ok(())
}

/// Offers a role, or adds to its bond; takes back a departure under way.
pub(super) fn register(
    state: &mut State<'_>,
    account: AccountId,
    role: Role,
    bond: Amount,
    encryption_key: EncryptionKey,
    address: &BoundedString<256>,
) -> Result<(), Refusal> {
    if role == Role::Validator && state.chain.validators.binary_search(&account).is_err() {
        return Err(Refusal::ValidatorsAreFixed);
    }
    money::debit(state, &account, bond)?;
    let before = state.registration(role, &account);
    let total = before.as_ref().map(|r| r.bond).unwrap_or_default();
    let total = total.checked_add(bond).ok_or(Refusal::Overflow)?;
    let min = state.chain.parameters.min_bond(role);
    if total < min {
        return Err(Refusal::BondTooSmall {
            role,
            bond: total,
            min,
        });
    }
    let registration = Registration {
        bond: total,
        locked: before.as_ref().map(|r| r.locked).unwrap_or_default(),
        encryption_key,
        address: address.clone(),
        since: before.as_ref().map_or(state.now(), |r| r.since),
        leaving: false,
    };
    state.save_registration(role, &account, &registration);
    state.emit(Event::Registered {
        account,
        role,
        bond: total,
    });
    Ok(())
}

/// Gives up a role: the free part of the bond unbonds, the rest when its orders end.
pub(super) fn unregister(
    state: &mut State<'_>,
    account: AccountId,
    role: Role,
) -> Result<(), Refusal> {
    if role == Role::Validator {
        return Err(Refusal::ValidatorsAreFixed);
    }
    let registration = state.registration(role, &account).filter(|r| !r.leaving);
    let mut registration = registration.ok_or(Refusal::NotRegistered { account, role })?;
    let free = registration.free();
    registration.leaving = true;
    money::start_unbonding(state, role, &account, &mut registration, free)?;
    state.save_registration(role, &account, &registration);
    state.emit(Event::Unregistered { account, role });
    Ok(())
}
