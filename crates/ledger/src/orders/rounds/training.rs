//! Trainers commit to what they did, and validators say what of it can be had.

use assay_crypto::Digest;
use assay_crypto::release::LockKey;

use super::bits::Bits;
use super::record::{Holds, Rounds, Sent};
use super::trainers;
use crate::files::must_be_kept;
use crate::orders::passage::enter;
use crate::orders::procedure::Sender;
use crate::orders::{audits, runs};
use crate::state::State;
use crate::{
    AccountId, BoundedVec, FileId, Opening, Order, OrderEvent, OrderRefusal, Phase, Refusal,
    StepIndex, Trace,
};

/// Commits a trainer to its steps and its update, which is the last state of its trace.
pub(super) fn commit(
    state: &mut State<'_>,
    order: &mut Order,
    sender: &Sender<'_>,
    (root, (checkpoints, update)): (Digest, (&BoundedVec<FileId, 1024>, FileId)),
    (first_invalid, lock): (Option<StepIndex>, LockKey),
    openings: &BoundedVec<Opening, 2>,
) -> Result<(), Refusal> {
    let (id, account) = (order.head.id, sender.account);
    let done = || OrderRefusal::AlreadyDone { order: id };
    let round = order.head.rounds.as_ref().ok_or_else(done)?;
    let (number, sent_before) = (round.round, &round.sent);
    let trainer = sender.trainer.filter(|of| of.takes_part(number));
    let trainer = trainer.ok_or(OrderRefusal::NotInRound {
        order: id,
        round: number,
    })?;
    if sent_before.has(trainer.number) {
        return Err(done().into());
    }
    let terms = &order.head.terms;
    let ends = [StepIndex(0), StepIndex(terms.steps)];
    let steps = openings.iter().map(|opening| opening.step);
    let ([first, last], true) = (&openings[..], steps.eq(ends)) else {
        let expected = Vec::from(ends);
        return Err(OrderRefusal::WrongOpenings {
            order: id,
            expected,
        }
        .into());
    };
    let expected = terms.segments();
    if checkpoints.len() != expected as usize {
        return Err(OrderRefusal::CheckpointCount {
            order: id,
            expected,
            found: checkpoints.len() as u32,
        }
        .into());
    }
    runs::check_lock(order, lock)?;
    let counts = last.reached.counts;
    runs::check_counts(order, &counts, first_invalid)?;
    if counts.valid == 0 {
        return Err(OrderRefusal::NothingLearned { order: id }.into());
    }
    let expected = order.round_terms().map_or(0, |of| of.update_bytes);
    let found = last.reached.state.length;
    if found != u64::from(expected) {
        return Err(OrderRefusal::NoUpdate {
            order: id,
            expected,
            found,
        }
        .into());
    }
    let trace = Trace {
        root,
        checkpoints: checkpoints.to_vec(),
        result: update,
        counts,
        first_invalid,
        lock,
        at: state.now(),
    };
    let opened = [first, last].map(|of| audits::under(order, &trace, of));
    let opened = opened.into_iter().collect::<Result<Vec<_>, _>>()?;
    audits::check_length(state, order, (update, account), last)?;
    let kept_ms = order.head.terms.inputs_ms(&state.chain.parameters);
    for file in checkpoints.iter().chain([&update, &trainer.rows]) {
        must_be_kept(state, (*file, account), kept_ms)?;
    }
    let mut trainer = trainer.clone();
    trainer.sent = Some(Sent {
        round: number,
        trace,
        opened,
        update: last.reached.state,
        audit: None,
    });
    trainers::save(state, &id, &trainer);
    let sent = OrderEvent::UpdateCommitted {
        round: number,
        trainer: account,
        root,
    };
    state.emit(sent.of(id));
    let rounds = order.head.rounds.get_or_insert_default();
    rounds.sent.insert(trainer.number);
    rounds.awaited.remove(trainer.number);
    advance(state, order);
    Ok(())
}

/// Goes on from training once nobody is awaited any more.
pub(super) fn advance(state: &mut State<'_>, order: &mut Order) {
    let rounds = order.head.rounds.get_or_insert_default();
    if order.head.phase == Phase::Training && rounds.awaited == Bits::default() {
        let next = after_training(rounds);
        enter(state, order, next);
    }
}

fn after_training(rounds: &Rounds) -> Phase {
    match rounds.sent == Bits::default() {
        // There is nothing to look for.
        true => Phase::Between,
        false => Phase::Gathering,
    }
}

/// Goes on without those who have sent nothing.
pub(super) fn over(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let rounds = order.head.rounds.get_or_insert_default();
    let next = after_training(rounds);
    enter(state, order, next);
    Ok(())
}

/// Notes which updates a validator holds: it has their bytes, and they are what their trainers committed to.
pub(super) fn hold(
    state: &mut State<'_>,
    order: &mut Order,
    validator: AccountId,
    updates: &Bits,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let rounds = order.head.rounds.get_or_insert_default();
    if rounds.holds.iter().any(|of| of.validator == validator) {
        return Err(OrderRefusal::AlreadyDone { order: id }.into());
    }
    if !updates.is_within(&rounds.sent) {
        return Err(OrderRefusal::NotSent { order: id }.into());
    }
    let updates = updates.clone();
    rounds.holds.push(Holds { validator, updates });
    let all = rounds.holds.len() == state.chain.validators.len();
    state.emit(OrderEvent::Held { validator }.of(id));
    if all {
        return gathered(state, order);
    }
    Ok(())
}

/// Counts the updates that more validators hold than can be liars: an honest one does, and gives them to the
/// others.
pub(super) fn gathered(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let liars = state.chain.liars();
    let rounds = order.head.rounds.get_or_insert_default();
    let held = |number: &u16| {
        rounds
            .holds
            .iter()
            .filter(|of| of.updates.has(*number))
            .count()
            > liars
    };
    rounds.counted = rounds.sent.numbers().filter(held).collect();
    let next = match rounds.counted == Bits::default() {
        true => Phase::Between,
        false => Phase::Closed,
    };
    let gathered = OrderEvent::Gathered {
        round: rounds.round,
        sent: rounds.sent.count(),
        held: rounds.counted.count(),
    };
    state.emit(gathered.of(order.head.id));
    enter(state, order, next);
    Ok(())
}
