//! Trainers are drawn, and each one's steps of the round are audited in an order of its own.

use assay_crypto::Digest;

use super::bits::Bits;
use super::record::Trainer;
use super::terms::RoundTerms;
use super::trainers;
use crate::orders::audits::{self, Part, Work};
use crate::orders::draw;
use crate::orders::keys;
use crate::orders::passage::enter;
use crate::state::State;
use crate::{
    AccountRefusal, Amount, BoundedString, Input, Order, OrderEvent, OrderId, OrderRefusal, Phase,
    Refusal,
};

/// Audits that one block begins.
const PART: usize = 8;

/// Draws whose steps are audited, from a beacon that nobody knew when the updates were fixed, and what merging
/// follows from.
pub(super) fn draw(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let (id, beacon) = (order.head.id, state.context.beacon);
    let Some(terms) = order.round_terms() else {
        return Ok(false);
    };
    let rounds = order.head.rounds.get_or_insert_default();
    if rounds.audits != Bits::default() {
        return begin_some(state, order);
    }
    let round = rounds.round;
    rounds.merge_seed = Some(seed("assay/round/merge/v1", id, round, &beacon));
    let mut left: Vec<u16> = rounds.counted.numbers().collect();
    let mut stream = draw::stream(state, order, "trainers");
    let mut drawn = Vec::new();
    while drawn.len() < usize::from(terms.audited) && !left.is_empty() {
        let at = stream.below(left.len() as u64);
        drawn.push(left.remove(usize::try_from(at).unwrap_or(0)));
    }
    let mut accounts = Vec::with_capacity(drawn.len());
    for number in &drawn {
        if let Some(trainer) = trainers::numbered(state, &id, *number) {
            accounts.push(trainer.account);
        }
    }
    let rounds = order.head.rounds.get_or_insert_default();
    rounds.audits = drawn.into_iter().collect();
    let trainers = accounts;
    state.emit(OrderEvent::TrainersDrawn { round, trainers }.of(id));
    begin_some(state, order)
}

/// Begins some of the audits; the others in later blocks.
fn begin_some(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let id = order.head.id;
    let rounds = order.head.rounds.get_or_insert_default();
    let from = rounds.passed;
    let left: Vec<u16> = rounds
        .audits
        .numbers()
        .filter(|number| *number >= from)
        .collect();
    let (now, later) = left.split_at(PART.min(left.len()));
    rounds.passed = later.first().copied().unwrap_or(0);
    for number in now {
        if let Some(trainer) = trainers::numbered(state, &id, *number) {
            begin(state, order, trainer)?;
        }
    }
    let phase = match later.is_empty() {
        false => Phase::Closed,
        true => Phase::Checking,
    };
    enter(state, order, phase);
    Ok(true)
}

/// Public randomness of a round of an order.
pub(super) fn seed(domain: &'static str, order: OrderId, round: u16, beacon: &Digest) -> Digest {
    Digest::of(domain, &[&order.0.0, &round.to_le_bytes(), &beacon.0])
}

impl Order {
    /// A trainer's part of the round under way, as the order that its audit would be: the trainer is its
    /// requester, since the rows are its own, and its provider. Nothing is committed in it, and it holds no
    /// money. `None` where no round is under way.
    pub fn of_trainer(&self, trainer: &Trainer) -> Option<Order> {
        let rounds = self.head.rounds.as_ref()?;
        let (model, seed) = (rounds.model.as_ref()?, rounds.seed?);
        let number = (rounds.round, trainer.number);
        let inputs = [
            input("model", model.file, model.content),
            input("rows", trainer.rows, trainer.content),
        ];
        let part = Part {
            account: trainer.account,
            owner: trainer.owner,
            encryption_key: trainer.encryption_key,
            bond: trainer.bond,
            number,
            seed,
            terms: RoundTerms::of_run(&self.head.terms, number, inputs),
            keepers: model.keepers.clone(),
        };
        Some(part.into_order(&self.head))
    }
}

/// Begins the audit of a trainer's steps of the round.
fn begin(state: &mut State<'_>, order: &mut Order, mut trainer: Trainer) -> Result<(), Refusal> {
    let parent = order.head.id;
    let round = order.head.rounds.as_ref().map_or(0, |rounds| rounds.round);
    let (Some(audit), Some(terms)) = (order.of_trainer(&trainer), order.round_terms()) else {
        return Ok(());
    };
    let Some(sent) = trainer.sent.as_mut().filter(|sent| sent.round == round) else {
        return Ok(());
    };
    let work = Work {
        trace: sent.trace.clone(),
        opened: sent.opened.clone(),
        last: sent.update,
    };
    let escrow = terms.audit_escrow(&order.head.terms, &state.chain.parameters);
    let escrow = escrow.ok_or(AccountRefusal::Overflow)?;
    sent.audit = Some(audits::begin(state, order, audit, work, escrow)?);
    trainers::save(state, &parent, &trainer);
    Ok(())
}

fn input(name: &str, file: crate::FileId, content: Digest) -> Input {
    Input {
        // Both names are shorter than the most.
        name: BoundedString::new(name).unwrap_or_default(),
        file,
        content,
    }
}

/// Takes note that the audit of a trainer's steps has ended. A trainer that failed is out, with its update.
pub(in crate::orders) fn audited(
    state: &mut State<'_>,
    order: &mut Order,
    number: u16,
    stands: bool,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let trainer = trainers::numbered(state, &id, number);
    let mut trainer = trainer.ok_or(OrderRefusal::UnknownOrder { order: id })?;
    let rounds = order.head.rounds.get_or_insert_default();
    rounds.audits.remove(number);
    rounds.settled.insert(number);
    match stands {
        true => trainer.stood = trainer.stood.saturating_add(1),
        false => {
            // What was left of its bond came free with the run.
            trainer.bond = Amount::ZERO;
            rounds.counted.remove(number);
            rounds.present.remove(number);
            rounds.awaited.remove(number);
            let account = trainer.account;
            state.remove(keys::with_part(&account, &id));
            state.emit(OrderEvent::PutOut { trainer: account }.of(id));
        }
    }
    trainers::save(state, &id, &trainer);
    let rounds = order.head.rounds.get_or_insert_default();
    if order.head.phase == Phase::Checking && rounds.audits == Bits::default() {
        checked(state, order);
    }
    Ok(())
}

/// Goes on once every audit of the round has ended.
fn checked(state: &mut State<'_>, order: &mut Order) {
    let least = order.round_terms().map_or(0, |terms| terms.least);
    let counted = order
        .head
        .rounds
        .as_ref()
        .map_or(0, |of| of.counted.count());
    let next = match counted < least {
        true => Phase::Between,
        false => Phase::Merging,
    };
    enter(state, order, next);
}
