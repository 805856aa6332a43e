//! Trainers come and go.

use assay_crypto::Digest;

use super::record::Trainer;
use super::{trainers, training};
use crate::accounts::money;
use crate::files::{must_be_kept, recorded};
use crate::orders::passage::enter;
use crate::orders::procedure::Sender;
use crate::orders::{binding, keys};
use crate::state::State;
use crate::{
    Amount, FileId, Order, OrderEvent, OrderRefusal, Outcome, Phase, Refusal, Role, RoundTerms,
};

/// Takes an account in, with what it trains on: it has recorded the rows, and has bond free. Once a round is
/// under way it takes part from the next one on.
pub(super) fn join(
    state: &mut State<'_>,
    order: &mut Order,
    sender: &Sender<'_>,
    (rows, content): (FileId, Digest),
) -> Result<(), Refusal> {
    let (id, account) = (order.head.id, sender.account);
    let bond = order.head.terms.provider_bond;
    let Some(terms) = order.round_terms() else {
        return Ok(());
    };
    if sender.trainer.is_some() {
        // Whoever has gone, or failed, joins under another account: its number is in what was computed.
        return Err(OrderRefusal::AlreadyDone { order: id }.into());
    }
    let phase = order.head.phase;
    let rounds = order.head.rounds.get_or_insert_default();
    let full = rounds.present.count() >= terms.most || rounds.numbered >= RoundTerms::MAX_TRAINERS;
    if full || rounds.ending.is_some() {
        let most = terms.most;
        return Err(OrderRefusal::NoPlace { order: id, most }.into());
    }
    let registration = binding::check(state, order, account)?;
    let parameters = &state.chain.parameters;
    let ms = order.head.terms.inputs_ms(parameters);
    must_be_kept(state, (rows, account), ms)?;
    // Whoever brought more than anybody takes in could not be audited.
    let class = recorded(state, rows, account)?.length_class;
    let most = parameters.max_input_bytes.min(order.head.terms.memory);
    if class > most {
        return Err(OrderRefusal::RowsTooLong {
            order: id,
            class,
            most,
        }
        .into());
    }
    binding::lock(state, order, &account)?;
    let rounds = order.head.rounds.get_or_insert_default();
    let number = rounds.numbered;
    rounds.numbered = number.saturating_add(1);
    rounds.present.insert(number);
    // The first round begins once there is a model.
    let begun = rounds.seed.is_some() && rounds.model.is_some();
    let trainer = Trainer {
        account,
        number,
        owner: state.owner(&account),
        encryption_key: registration.encryption_key,
        bond,
        rows,
        content,
        since: rounds.round.saturating_add(u16::from(begun)),
        leaving: false,
        missed: 0,
        stood: 0,
        sent: None,
    };
    if !begun {
        rounds.awaited.insert(number);
    }
    let is_full = rounds.present.count() == terms.most;
    trainers::save(state, &id, &trainer);
    state.save(keys::trains(&id, &account), &number);
    state.save(keys::with_part(&account, &id), &());
    let joined = OrderEvent::Joined {
        trainer: account,
        number,
    };
    state.emit(joined.of(id));
    if is_full && phase == Phase::Joining {
        enter(state, order, Phase::Between);
    }
    Ok(())
}

/// Lets a trainer go: at once, or when the round is over in which it has sent an update.
pub(super) fn leave(
    state: &mut State<'_>,
    order: &mut Order,
    sender: &Sender<'_>,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let done = || OrderRefusal::AlreadyDone { order: id };
    let trainer = sender.trainer.filter(|of| of.is_bound() && !of.leaving);
    let mut trainer = trainer.cloned().ok_or_else(done)?;
    let rounds = order.head.rounds.as_ref();
    let paid = order.head.phase == Phase::Between;
    let owes = rounds.is_some_and(|rounds| {
        let passed = paid && trainer.number < rounds.passed;
        rounds.sent.has(trainer.number) && !passed
    });
    if owes {
        trainer.leaving = true;
        trainers::save(state, &id, &trainer);
        return Ok(());
    }
    let_go(state, order, &mut trainer)?;
    training::advance(state, order);
    Ok(())
}

/// Frees a trainer's bond; it takes part no more.
pub(super) fn let_go(
    state: &mut State<'_>,
    order: &mut Order,
    trainer: &mut Trainer,
) -> Result<(), Refusal> {
    let (id, account) = (order.head.id, trainer.account);
    let bond = std::mem::replace(&mut trainer.bond, Amount::ZERO);
    if bond > Amount::ZERO {
        money::unlock(state, Role::Provider, &account, bond)?;
    }
    if let Some(rounds) = &mut order.head.rounds {
        rounds.present.remove(trainer.number);
        rounds.awaited.remove(trainer.number);
    }
    state.remove(keys::with_part(&account, &id));
    trainers::save(state, &id, trainer);
    state.emit(OrderEvent::Left { trainer: account }.of(id));
    Ok(())
}

/// Begins with those who joined, or ends where they are too few.
pub(super) fn over(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let least = order.round_terms().map_or(0, |terms| terms.least);
    let rounds = order.head.rounds.get_or_insert_default();
    if rounds.present.count() < least {
        rounds.ending = Some(Outcome::TooFewTrainers);
    }
    enter(state, order, Phase::Between);
    Ok(())
}
