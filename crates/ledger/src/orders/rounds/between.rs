//! The end of a round and the beginning of the next one, a part in each block: there may be many trainers.

use super::audits::seed;
use super::bits::Bits;
use super::joining::let_go;
use super::record::{Rounds, Trainer};
use super::trainers;
use crate::orders::escrow;
use crate::orders::passage::{enter, finish};
use crate::state::State;
use crate::{Order, OrderEvent, Outcome, Phase, Refusal, RoundTerms};

/// Trainers that one block looks at.
const PART: u16 = 64;

/// Rounds in a row in which a trainer may send nothing before it is let go.
const MOST_MISSED: u8 = 3;

/// Rounds in a row that may merge nothing before the order ends.
const MOST_UNMERGED: u16 = 3;

/// Goes on: pays some more of the trainers, or lets them go; at the end begins the next round, or ends the
/// order.
pub(super) fn pass(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let Some(terms) = order.round_terms() else {
        return Ok(false);
    };
    let rounds = order.head.rounds.get_or_insert_default();
    if rounds.passed == 0 {
        conclude(state, order, &terms);
    }
    let rounds = order.head.rounds.get_or_insert_default();
    let (from, all) = (rounds.passed, rounds.numbered);
    let to = from.saturating_add(PART).min(all);
    for number in from..to {
        if let Some(trainer) = trainers::numbered(state, &order.head.id, number) {
            settle(state, order, trainer)?;
        }
    }
    let rounds = order.head.rounds.get_or_insert_default();
    rounds.passed = to;
    if to < all {
        enter(state, order, Phase::Between);
        return Ok(true);
    }
    rounds.passed = 0;
    match rounds.ending {
        Some(outcome) => finish(state, order, outcome)?,
        None => begin(state, order, &terms),
    }
    Ok(true)
}

/// Whether a round of training is under way or over: one for the first model is none.
fn has_trained(rounds: &Rounds) -> bool {
    rounds.model.is_some() && rounds.seed.is_some()
}

/// Says what came of the round, and whether it was the last one.
fn conclude(state: &mut State<'_>, order: &mut Order, terms: &RoundTerms) {
    let id = order.head.id;
    let rounds = order.head.rounds.get_or_insert_default();
    if rounds.ending.is_some() || rounds.seed.is_none() {
        return;
    }
    match rounds.merged {
        true => rounds.unmerged = 0,
        false => {
            rounds.unmerged = rounds.unmerged.saturating_add(1);
            let nothing = OrderEvent::NotMerged {
                round: rounds.round,
                sent: rounds.sent.count(),
                counted: rounds.counted.count(),
            };
            state.emit(nothing.of(id));
        }
    }
    let last = has_trained(rounds) && rounds.round.saturating_add(1) >= terms.rounds;
    if rounds.unmerged >= MOST_UNMERGED {
        rounds.ending = Some(Outcome::EndedEarly);
    } else if last {
        rounds.ending = Some(Outcome::Paid);
    }
}

/// Pays a trainer for the round that is over, and lets it go if it is to go.
fn settle(state: &mut State<'_>, order: &mut Order, mut trainer: Trainer) -> Result<(), Refusal> {
    if !trainer.is_bound() {
        return Ok(());
    }
    let rounds = order.head.rounds.get_or_insert_default();
    let (round, number) = (rounds.round, trainer.number);
    let trained = has_trained(rounds);
    let counts = rounds.counted.has(number) && !rounds.settled.has(number);
    let (sent, ends) = (rounds.sent.has(number), rounds.ending.is_some());
    if trained && counts {
        let trace = trainer.sent_in(round).map(|sent| &sent.trace);
        let setup = state.chain.parameters.setup_rate;
        let earned = trace.map(|trace| order.head.terms.earned(&trace.counts, setup));
        let account = trainer.account;
        escrow::pay_from_escrow(state, order, account, earned.unwrap_or_default())?;
        trainer.stood = trainer.stood.saturating_add(1);
    }
    if sent {
        trainer.missed = 0;
    } else if trained && trainer.since <= round {
        trainer.missed = trainer.missed.saturating_add(1);
    }
    if ends || trainer.leaving || trainer.missed >= MOST_MISSED {
        return let_go(state, order, &mut trainer);
    }
    trainers::save(state, &order.head.id, &trainer);
    Ok(())
}

/// Begins the next round with a seed from this block's beacon; or makes the first model; or lets everybody
/// go, where too few are left.
fn begin(state: &mut State<'_>, order: &mut Order, terms: &RoundTerms) {
    let (id, beacon) = (order.head.id, state.context.beacon);
    let rounds = order.head.rounds.get_or_insert_default();
    if has_trained(rounds) {
        rounds.round = rounds.round.saturating_add(1);
    }
    rounds.merged = false;
    rounds.merge_seed = None;
    rounds.holds.clear();
    for of in [&mut rounds.sent, &mut rounds.counted, &mut rounds.settled] {
        *of = Bits::default();
    }
    let round = rounds.round;
    if rounds.present.count() < terms.least {
        rounds.seed = None;
        rounds.ending = Some(Outcome::EndedEarly);
        enter(state, order, Phase::Between);
        return;
    }
    rounds.awaited = rounds.present.clone();
    rounds.seed = Some(seed("assay/round/steps/v1", id, round, &beacon));
    let next = match rounds.model {
        None => Phase::Merging,
        Some(_) => Phase::Training,
    };
    let trainers = rounds.present.count();
    state.emit(OrderEvent::RoundBegun { round, trainers }.of(id));
    enter(state, order, next);
}
