//! The end of a contest: everybody whose work stands is paid, and every bond comes free.

use super::claims::let_go;
use super::course::contest;
use super::record::Contest;
use super::store;
use crate::accounts::money;
use crate::orders::escrow;
use crate::orders::passage::finish;
use crate::state::State;
use crate::{AccountId, Amount, Order, Outcome, Refusal, Terms};

/// Pays, lets everybody go, and ends the order: at the beginning of a block, for there may be many.
pub(super) fn pass(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let Some(outcome) = contest(order).ending else {
        return Ok(false);
    };
    if outcome.pays_claims() {
        pay(state, order)?;
    }
    let entries = u16::try_from(contest(order).entries.len()).unwrap_or(u16::MAX);
    for number in 0..entries {
        let claim = store::numbered(state, order, number);
        if let Some(mut claim) = claim.filter(|claim| claim.is_bound()) {
            let_go(state, order, &mut claim)?;
        }
    }
    finish(state, order, outcome)?;
    Ok(true)
}

/// Pays claimants, validators, the treasury and the pot. What is left, by rounding or because nobody earned it, goes
/// back.
fn pay(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let terms = order.head.terms.clone();
    let Some(shares) = terms.contest.as_ref().map(|of| of.shares) else {
        return Ok(());
    };
    let of_claims = claims(state, order, &terms);
    let (right, all) = contest(order).right_scores();
    let pool = shares.validators.of(terms.price);
    let of_validators = right
        .into_iter()
        .map(|(validator, count)| (validator, part(pool, count, all)));
    for (account, amount) in of_claims
        .into_iter()
        .chain(of_validators.collect::<Vec<_>>())
    {
        escrow::pay_from_escrow(state, order, account, amount)?;
    }
    let (treasury, pot) = (shares.treasury.of(terms.price), shares.pot.of(terms.price));
    let both = money::plus(treasury, pot)?;
    order.head.escrow = money::minus(order.head.escrow, both)?;
    money::to_treasury(state, treasury)?;
    money::to_pot(state, pot)
}

/// What each claim earns: by rank and improvement; or, where nobody won, equal parts of the same sum, for as much
/// as was computed. So the requester pays as much whatever the test set says, and gains nothing by one that
/// nobody can be good at, or nobody can read.
fn claims(state: &State<'_>, order: &mut Order, terms: &Terms) -> Vec<(AccountId, Amount)> {
    let setup = state.chain.parameters.setup_rate;
    let Some(rules) = &terms.contest else {
        return Vec::new();
    };
    let pool = rules.pool(terms);
    let (paid, outcome) = contest(order).paid(terms);
    if outcome != Outcome::Paid {
        let share = pool.0.checked_div(paid.len() as u64).unwrap_or(0);
        let each = Terms {
            price: Amount(share),
            ..terms.clone()
        };
        let earned = paid.into_iter().filter_map(|number| {
            let claim = store::numbered(state, order, number)?;
            let counts = claim.shown.as_ref()?.trace.counts;
            Some((claim.account, each.earned(&counts, setup)))
        });
        return earned.collect();
    }
    let first = rules.winner.of(pool);
    let rest = Amount(pool.0.saturating_sub(first.0));
    let contest = contest(order);
    let entries: Vec<_> = paid
        .iter()
        .filter_map(|number| contest.entry(*number))
        .collect();
    let by = |entry| Contest::improvement(entry, rules.baseline);
    let all: u128 = entries.iter().map(|entry| u128::from(by(entry))).sum();
    let earned = entries.into_iter().enumerate().map(|(rank, entry)| {
        let share = u128::from(rest.0) * u128::from(by(entry)) / all.max(1);
        // At most the rest, which fits.
        let share = u64::try_from(share).unwrap_or(0);
        let winner = if rank == 0 { first.0 } else { 0 };
        (entry.account, Amount(share.saturating_add(winner)))
    });
    earned.collect()
}

fn part(of: Amount, count: u64, all: u64) -> Amount {
    let part = u128::from(of.0) * u128::from(count) / u128::from(all.max(1));
    Amount(u64::try_from(part).unwrap_or(0))
}
