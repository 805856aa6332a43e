//! What happens to orders whatever their procedure: they are posted, moved, drawn for, and their
//! time runs out.

use super::life::Move;
use super::lives::row;
use super::passage::enter;
use super::procedure::Sender;
use super::stored::{blocks_timer, load, open_orders, save};
use super::{contest, registry, rounds};
use crate::accounts::money;
use crate::files::{must_be_kept, recorded};
use crate::state::State;
use crate::{
    AccountId, AccountRefusal, Amount, Head, Order, OrderCall, OrderEvent, OrderId, OrderRefusal,
    ProcedureName, Refusal, Terms, rules,
};

/// Applies a call about an order; `nonce` is its transaction's.
pub(crate) fn apply(
    state: &mut State<'_>,
    (sender, nonce): (AccountId, u64),
    call: &OrderCall,
) -> Result<(), Refusal> {
    let Some(id) = call.order() else {
        return match call {
            OrderCall::Post(terms) => post(state, sender, nonce, terms),
            _ => Ok(()),
        };
    };
    let mut order = load(state, id)?;
    let trainer = match order.head.rounds {
        Some(_) => rounds::trainer(state, &id, &sender),
        None => None,
    };
    let claim = match order.contest {
        Some(_) => contest::claim(state, &id, &sender),
        None => None,
    };
    let sender = Sender {
        account: sender,
        trainer: trainer.as_ref(),
        claim: claim.as_ref(),
    };
    check(state, &order, &sender, call)?;
    registry::of(ProcedureName::followed_by(&order)).make(state, &mut order, &sender, call)?;
    save(state, &mut order);
    Ok(())
}

/// Posts an order and takes its escrow.
fn post(
    state: &mut State<'_>,
    requester: AccountId,
    nonce: u64,
    terms: &Terms,
) -> Result<(), Refusal> {
    rules::check_terms(terms, &state.chain.parameters)?;
    let most = state.chain.parameters.max_open_orders;
    if open_orders(state, &requester) >= most {
        return Err(OrderRefusal::TooManyOpen { most }.into());
    }
    let test = terms.contest.iter().map(|of| &of.test);
    let mut classes = Vec::with_capacity(terms.inputs.len());
    for input in terms.inputs.iter().chain(test) {
        let record = recorded(state, input.file, requester)?;
        classes.push(record.length_class);
        let ms = terms.inputs_ms(&state.chain.parameters);
        must_be_kept(state, (input.file, requester), ms)?;
    }
    if let Some(problem) = rules::length_problem(&classes, &state.chain.parameters) {
        return Err(OrderRefusal::BadTerms { problem }.into());
    }
    let escrow = terms
        .escrow(&state.chain.parameters)
        .ok_or(AccountRefusal::Overflow)?;
    money::debit(state, &requester, escrow)?;
    let id = OrderId::new(state.chain.id, requester, nonce);
    let now = state.now();
    let head = Head {
        id,
        requester,
        terms: terms.clone(),
        posted: now,
        updated: now,
        phase: ProcedureName::of(terms).first(),
        since: state.moment(),
        deadline: state.moment(),
        until: state.moment(),
        lists: 0,
        asked: None,
        declined: Vec::new(),
        escrow,
        // With rounds and in a contest, each audit brings its own.
        answers: match ProcedureName::of(terms) {
            ProcedureName::Rounds | ProcedureName::Contest => 0,
            ProcedureName::Traced | ProcedureName::Redundant => {
                terms.most_answers(&state.chain.parameters)
            }
        },
        deposit: Amount::ZERO,
        begun: 0,
        disputed: 0,
        outcome: None,
        rounds: terms.rounds.map(|_| Box::default()),
        audit_of: None,
    };
    let mut order = Order {
        head,
        runs: Vec::new(),
        disputes: Vec::new(),
        contest: terms.contest.as_ref().map(|_| Box::default()),
    };
    state.emit(OrderEvent::OrderPosted { requester, escrow }.of(id));
    enter(state, &mut order, ProcedureName::of(terms).first());
    save(state, &mut order);
    Ok(())
}

/// Refuses a move that the phase does not know, that comes too late, that is not the sender's, or
/// that was meant for another place.
fn check(
    state: &State<'_>,
    order: &Order,
    sender: &Sender<'_>,
    call: &OrderCall,
) -> Result<(), Refusal> {
    let (id, name) = (order.head.id, call.name());
    let moves = row(order).map_or(&[][..], |row| row.moves);
    let possible: Vec<&Move> = moves.iter().filter(|known| known.call == name).collect();
    if possible.is_empty() {
        let (phase, call) = (order.head.phase, name.to_owned());
        return Err(OrderRefusal::WrongPhase {
            order: id,
            phase,
            call,
        }
        .into());
    }
    let deadline = order.head.deadline;
    if deadline.is_over(state.moment()) {
        return Err(OrderRefusal::TooLate {
            order: id,
            deadline,
        }
        .into());
    }
    let validators = &state.chain.validators;
    let mine = |known: &&Move| known.by.is(order, validators, sender);
    if !possible.iter().any(mine) {
        let movers: Vec<_> = possible.iter().map(|known| known.by.to_string()).collect();
        let belongs = movers.join(" or ");
        return Err(OrderRefusal::NotYourMove { order: id, belongs }.into());
    }
    let Some(found) = call.place() else {
        return Ok(());
    };
    let procedure = registry::of(ProcedureName::followed_by(order));
    if let OrderCall::Grant { grantee, .. } = *call
        && !procedure.may_be_granted(order, validators, grantee)
    {
        return Err(OrderRefusal::NotAGrantee { order: id, grantee }.into());
    }
    match procedure.place(order, sender, call) {
        Some(expected) if expected == found => Ok(()),
        Some(expected) => Err(OrderRefusal::OtherPlace { expected, found }.into()),
        None => Err(OrderRefusal::AlreadyDone { order: id }.into()),
    }
}

/// Ends the phase of an order whose timer has rung, once it has had its least number of blocks.
pub(crate) fn late(state: &mut State<'_>, id: OrderId) -> Result<(), Refusal> {
    let mut order = load(state, id)?;
    if !order.head.deadline.is_over(state.moment()) {
        state.save(blocks_timer(&order.head), &());
        return Ok(());
    }
    registry::of(ProcedureName::followed_by(&order)).late(state, &mut order)?;
    save(state, &mut order);
    Ok(())
}
