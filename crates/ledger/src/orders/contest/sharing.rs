//! The test set's key is dealt to the validators, looked at, and opened.

use assay_crypto::custody::KeyShare;
use assay_crypto::{Digest, EncryptionKey};

use super::custody::{Custody, CustodyPoints, KeyCustody, SealedShare, ValidatorCustody};
use super::terms::CustodyTerms;
use super::{checking, course::contest};
use crate::orders::escrow;
use crate::orders::passage::{enter, finish};
use crate::state::State;
use crate::{
    AccountId, Amount, BoundedVec, Order, OrderEvent, OrderRefusal, Outcome, Phase, Refusal, Role,
};

/// The validators with their encryption keys as they are now, in their order.
fn custodians(state: &State<'_>) -> Vec<(AccountId, EncryptionKey)> {
    let validators = state.chain.validators.iter();
    let key = |account: &AccountId| {
        let registration = state.registration(Role::Validator, account);
        registration.map_or(EncryptionKey([0; 32]), |of| of.encryption_key)
    };
    validators.map(|account| (*account, key(account))).collect()
}

/// The custody of an order's test set.
fn scheme(state: &State<'_>, order: &Order) -> Option<ValidatorCustody> {
    let terms = order.head.terms.contest.as_ref()?;
    let CustodyTerms::Validators { key } = terms.custody;
    let (all, liars) = (state.chain.validators.len(), state.chain.liars());
    Some(ValidatorCustody { key, all, liars })
}

/// Takes a dealing of the test set's key.
pub(super) fn deal(
    state: &mut State<'_>,
    order: &mut Order,
    under: &Digest,
    (points, sealed): (&CustodyPoints, &BoundedVec<SealedShare, 64>),
) -> Result<(), Refusal> {
    let id = order.head.id;
    let custodians = custodians(state);
    let expected = Custody::name_of(&custodians);
    if *under != expected {
        return Err(OrderRefusal::OtherKeys {
            order: id,
            expected,
        }
        .into());
    }
    let custody = Custody {
        under: *under,
        keys: custodians.iter().map(|(_, key)| *key).collect(),
        points: points.clone(),
        sealed: sealed.to_vec(),
        opens: Phase::TestOpen,
        checked: Vec::new(),
        shares: Vec::new(),
        opened: None,
    };
    let Some(scheme) = scheme(state, order) else {
        return Ok(());
    };
    let bad = |problem| OrderRefusal::BadDealing { order: id, problem };
    scheme.check(&custody.dealing()).map_err(bad)?;
    contest(order).custody = Some(custody);
    state.emit(OrderEvent::KeyDealt { under: *under }.of(id));
    enter(state, order, Phase::Holding);
    Ok(())
}

/// Notes whether a validator's share is good. A quorum that holds good ones is enough for claims to open: at
/// least as many honest ones are among them as open the key. One more than can be liars that hold none end the
/// order: an honest one is among them.
pub(super) fn note_share(
    state: &mut State<'_>,
    order: &mut Order,
    validator: AccountId,
    good: bool,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let (quorum, liars) = (state.chain.quorum(), state.chain.liars());
    let done = || OrderRefusal::AlreadyDone { order: id };
    let custody = contest(order).custody.as_mut().ok_or_else(done)?;
    if custody.checked.iter().any(|(of, _)| *of == validator) {
        return Err(done().into());
    }
    custody.checked.push((validator, good));
    let count = |good: bool| custody.checked.iter().filter(|(_, of)| *of == good).count();
    let (held, bad) = (count(true), count(false));
    state.emit(OrderEvent::ShareChecked { validator, good }.of(id));
    if bad > liars {
        return refuse(state, order);
    }
    if held >= quorum {
        enter(state, order, Phase::Joining);
    }
    Ok(())
}

/// Ends an order whose key was dealt badly, before anybody has worked: those who looked get the validators'
/// share.
fn refuse(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let said = |order: &mut Order| {
        let custody = contest(order).custody.iter();
        let said = custody.flat_map(|of| of.checked.iter());
        said.filter(|(_, good)| !good)
            .map(|(by, _)| *by)
            .collect::<Vec<_>>()
    };
    let looked = said(order);
    let terms = order.head.terms.contest.as_ref();
    let all = terms.map_or(Amount::ZERO, |of| {
        of.shares.validators.of(order.head.terms.price)
    });
    let share = Amount(all.0.checked_div(looked.len() as u64).unwrap_or(0));
    for validator in looked {
        escrow::pay_from_escrow(state, order, validator, share)?;
    }
    finish(state, order, Outcome::BadDealing)
}

/// Ends an order whose shares too few validators say they hold, and too few say they do not: nobody is known to
/// be at fault. Those who looked get a judge's fee.
pub(super) fn unheld(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let custody = contest(order).custody.iter();
    let looked: Vec<AccountId> = custody
        .flat_map(|of| of.checked.iter().map(|(by, _)| *by))
        .collect();
    let terms = order.head.terms.contest.as_ref();
    let all = terms.map_or(Amount::ZERO, |of| {
        of.shares.validators.of(order.head.terms.price)
    });
    let most = Amount(all.0.checked_div(looked.len() as u64).unwrap_or(0));
    let fee = state.chain.parameters.judge_fee.min(most);
    for validator in looked {
        escrow::pay_from_escrow(state, order, validator, fee)?;
    }
    finish(state, order, Outcome::NotHeld)
}

/// Takes a validator's share; with enough of them the key is open.
pub(super) fn show(
    state: &mut State<'_>,
    order: &mut Order,
    validator: AccountId,
    share: &KeyShare,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let done = || OrderRefusal::AlreadyDone { order: id };
    let place = state.chain.validators.binary_search(&validator);
    let place = place.ok().and_then(|at| u16::try_from(at).ok());
    let (scheme, place) = scheme(state, order).zip(place).ok_or_else(done)?;
    let custody = contest(order).custody.as_mut().ok_or_else(done)?;
    if custody.shares.iter().any(|(of, _)| *of == place) {
        return Err(done().into());
    }
    if !share.is_of(&custody.points, usize::from(place)) {
        return Err(OrderRefusal::BadShare { order: id }.into());
    }
    custody.shares.push((place, share.clone()));
    // Putting it together looks at every share again.
    if custody.shares.len() >= scheme.threshold() {
        custody.opened = scheme.open(&custody.points, &custody.shares);
    }
    let open = custody.opened.is_some();
    state.emit(OrderEvent::ShareShown { validator }.of(id));
    if open {
        custody.sealed.clear();
        let contest = contest(order);
        contest.listed = contest.numbers(|entry| entry.stage.is_alive()).collect();
        state.emit(OrderEvent::KeyOpened.of(id));
        enter(state, order, Phase::Validating);
    }
    Ok(())
}

/// Goes on without scores: the test set did not open in time. Who trained is paid all the same.
pub(super) fn shut(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    checking::without_scores(state, order, Outcome::CustodyShut);
    Ok(())
}
