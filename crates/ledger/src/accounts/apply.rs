//! Transfers, and bonds behind roles.

use assay_crypto::{EncryptionKey, Signature};

use super::{CONSENT_DOMAIN, consent, keys, money};
use crate::state::State;
use crate::{
    AccountCall, AccountEvent, AccountId, AccountRefusal, Amount, BoundedString, Offer, Refusal,
    Registration, Role, sweep,
};

/// Applies a call of `sender` about its account.
pub(crate) fn apply(
    state: &mut State<'_>,
    sender: AccountId,
    call: &AccountCall,
) -> Result<(), Refusal> {
    match call {
        AccountCall::Transfer { to, amount } => transfer(state, sender, *to, *amount),
        AccountCall::Register {
            role,
            bond,
            encryption_key,
            address,
            offer,
        } => register(
            state,
            (sender, *role),
            *bond,
            (*encryption_key, address),
            offer.as_ref(),
        ),
        AccountCall::Own { node, consent } => own(state, sender, *node, consent),
        AccountCall::Unregister { role } => unregister(state, sender, *role),
    }
}

/// Moves money between accounts.
fn transfer(
    state: &mut State<'_>,
    from: AccountId,
    to: AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    if amount == Amount::ZERO {
        return Err(AccountRefusal::ZeroAmount.into());
    }
    to.check()
        .map_err(|_| AccountRefusal::NotAKey { account: to })?;
    money::debit(state, &from, amount)?;
    money::credit(state, &to, amount)?;
    state.emit(AccountEvent::Transferred { from, to, amount });
    Ok(())
}

/// Offers a role, or adds to its bond; takes back a departure under way, and renews an offer that was
/// suspended, for a fee.
fn register(
    state: &mut State<'_>,
    (account, role): (AccountId, Role),
    bond: Amount,
    (encryption_key, address): (EncryptionKey, &BoundedString<256>),
    offer: Option<&Offer>,
) -> Result<(), Refusal> {
    if role == Role::Validator && state.chain.validators.binary_search(&account).is_err() {
        return Err(AccountRefusal::ValidatorsAreFixed.into());
    }
    usable(&encryption_key)?;
    match (role.is_drawn(), offer) {
        (true, None) => return Err(AccountRefusal::NoOffer { role }.into()),
        (false, Some(_)) => return Err(AccountRefusal::OfferUnused { role }.into()),
        _ => {}
    }
    money::debit(state, &account, bond)?;
    let before = state.registration(role, &account);
    if before.as_ref().is_some_and(|r| r.suspended) {
        let fee = state.chain.parameters.renewal_fee;
        money::debit(state, &account, fee)?;
        money::to_pot(state, fee)?;
    }
    let total = before.as_ref().map(|r| r.bond).unwrap_or_default();
    let total = total.checked_add(bond).ok_or(AccountRefusal::Overflow)?;
    let min = state.chain.parameters.min_bond(role);
    if total < min {
        return Err(AccountRefusal::BondTooSmall {
            role,
            bond: total,
            min,
        }
        .into());
    }
    let registration = Registration {
        bond: total,
        locked: before.as_ref().map(|r| r.locked).unwrap_or_default(),
        encryption_key,
        address: address.clone(),
        since: before.as_ref().map_or(state.now(), |r| r.since),
        leaving: false,
        offer: offer.cloned(),
        serving: before.as_ref().map_or(0, |r| r.serving),
        asked: before.as_ref().map_or(0, |r| r.asked),
        missed: before.as_ref().map_or(0, |r| r.missed),
        suspended: false,
    };
    state.save_registration(role, &account, &registration);
    if role.is_drawn() {
        sweep::rouse(state);
    }
    state.emit(AccountEvent::Registered {
        account,
        role,
        bond: total,
    });
    Ok(())
}

/// Refuses a key to which nobody can hand anything over: whoever has to would pay for its silence.
pub(crate) fn usable(key: &EncryptionKey) -> Result<(), Refusal> {
    let unusable = AccountRefusal::UnusableKey { key: *key };
    key.check().map_err(|_| unusable.into())
}

/// Names the owner of a node that consents.
fn own(
    state: &mut State<'_>,
    owner: AccountId,
    node: AccountId,
    signature: &Signature,
) -> Result<(), Refusal> {
    let consents = consent(state.chain.id, &owner);
    node.verify(CONSENT_DOMAIN, &consents, signature)
        .map_err(|_| AccountRefusal::NoConsent { node })?;
    state.save(keys::owner(&node), &owner);
    sweep::rouse(state);
    state.emit(AccountEvent::Owned { node, owner });
    Ok(())
}

/// Gives up a role: the free part of the bond unbonds, the rest when its orders end.
fn unregister(state: &mut State<'_>, account: AccountId, role: Role) -> Result<(), Refusal> {
    if role == Role::Validator {
        return Err(AccountRefusal::ValidatorsAreFixed.into());
    }
    let registration = state.registration(role, &account).filter(|r| !r.leaving);
    let mut registration = registration.ok_or(AccountRefusal::NotRegistered { account, role })?;
    let free = registration.free();
    registration.leaving = true;
    money::start_unbonding(state, role, &account, &mut registration, free)?;
    state.save_registration(role, &account, &registration);
    if role.is_drawn() {
        // The share of those who take some order may be larger without it.
        sweep::rouse(state);
    }
    state.emit(AccountEvent::Unregistered { account, role });
    Ok(())
}
