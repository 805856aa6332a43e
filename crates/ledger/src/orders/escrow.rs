//! The money of an order: what leaves its escrow, its deposit and the bonds it locks.

use crate::accounts::money;
use crate::state::State;
use crate::{AccountId, Amount, Order, OrderEvent, OrderId, Refusal, Role, SlashReason};

/// Pays `amount` out of an order, a cut bond or a deposit.
fn pay(
    state: &mut State<'_>,
    order: OrderId,
    account: AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    if amount > Amount::ZERO {
        money::credit(state, &account, amount)?;
        state.emit(OrderEvent::Paid { account, amount }.of(order));
    }
    Ok(())
}

/// Pays `amount` out of an order's escrow.
pub(crate) fn pay_from_escrow(
    state: &mut State<'_>,
    order: &mut Order,
    account: AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    order.head.escrow = money::minus(order.head.escrow, amount)?;
    pay(state, order.head.id, account, amount)
}

/// Pays out of an order's escrow what somebody has spent on it, which is no pay.
pub(crate) fn reimburse(
    state: &mut State<'_>,
    order: &mut Order,
    account: AccountId,
    amount: Amount,
) -> Result<(), Refusal> {
    order.head.escrow = money::minus(order.head.escrow, amount)?;
    money::credit(state, &account, amount)
}

/// Pays out of an order's escrow what the requester owes for having kept somebody waiting; to the pot
/// where nobody has accepted yet.
pub(crate) fn pay_idle(
    state: &mut State<'_>,
    order: &mut Order,
    account: Option<AccountId>,
) -> Result<(), Refusal> {
    let fee = order.head.terms.idle_fee(&state.chain.parameters);
    let Some(account) = account else {
        order.head.escrow = money::minus(order.head.escrow, fee)?;
        return money::to_pot(state, fee);
    };
    pay_from_escrow(state, order, account, fee)
}

/// Pays an order's complaint deposit out: to the validators that are paid for having judged the complaint,
/// and what is left to `account`.
pub(crate) fn pay_deposit(
    state: &mut State<'_>,
    order: &mut Order,
    account: AccountId,
    judges: &[AccountId],
) -> Result<(), Refusal> {
    let (id, deposit) = (order.head.id, std::mem::take(&mut order.head.deposit));
    let left = pay_judges(state, id, judges, deposit)?;
    pay(state, id, account, left)
}

/// Takes an order's deposit of whoever was wrong: the validators that are paid for having found that get their
/// fees, and the pot what is left.
pub(crate) fn forfeit_deposit(
    state: &mut State<'_>,
    order: &mut Order,
    judges: &[AccountId],
) -> Result<(), Refusal> {
    let (id, deposit) = (order.head.id, std::mem::take(&mut order.head.deposit));
    let left = pay_judges(state, id, judges, deposit)?;
    money::to_pot(state, left)
}

/// Pays each of the validators that found what the verdict says its fee out of `from`, or an equal part of
/// it where it is too small; returns what is left.
fn pay_judges(
    state: &mut State<'_>,
    order: OrderId,
    judges: &[AccountId],
    from: Amount,
) -> Result<Amount, Refusal> {
    let Some(most) = from.0.checked_div(judges.len() as u64) else {
        return Ok(from);
    };
    let fee = state.chain.parameters.judge_fee.min(Amount(most));
    let mut left = from;
    for judge in judges {
        pay(state, order, *judge, fee)?;
        left = money::minus(left, fee)?;
    }
    Ok(left)
}

/// One locked part of one bond, and the order that locked it.
pub(crate) struct Locked {
    pub(crate) order: OrderId,
    pub(crate) role: Role,
    pub(crate) account: AccountId,
    pub(crate) amount: Amount,
}

/// Who is paid of a bond that is cut.
#[derive(Clone, Copy, Default)]
pub(crate) struct Reward<'a> {
    /// Providers and auditors that were right or worked in vain.
    pub(crate) right: &'a [AccountId],
    /// Validators that found what the verdict says.
    pub(crate) judges: &'a [AccountId],
}

/// Takes `cut` of a locked bond and releases the rest of it; returns what was cut.
///
/// [`Parameters::reward_rate`](crate::Parameters::reward_rate) of it is split evenly among those who were
/// right; of the rest each judge gets [`Parameters::judge_fee`](crate::Parameters::judge_fee), and what is
/// left goes to the pot.
pub(crate) fn slash(
    state: &mut State<'_>,
    locked: &Locked,
    cut: Amount,
    reason: SlashReason,
    rewarded: Reward<'_>,
) -> Result<Amount, Refusal> {
    let Locked {
        order,
        role,
        account,
        amount,
    } = *locked;
    money::cut(state, role, &account, amount, cut)?;
    let slashed = OrderEvent::Slashed {
        account,
        role,
        amount: cut,
        reason,
    };
    state.emit(slashed.of(order));

    let reward = state.chain.parameters.reward_rate.of(cut);
    let Reward { right, judges } = rewarded;
    let share = Amount(reward.0.checked_div(right.len() as u64).unwrap_or(0));
    let mut left = cut;
    for receiver in right {
        pay(state, order, *receiver, share)?;
        left = money::minus(left, share)?;
    }
    // Whatever the judges get is taken of what is nobody's: what deters a cheat stays as it is.
    let rest = money::minus(cut, reward)?;
    let after = pay_judges(state, order, judges, rest)?;
    left = money::minus(left, money::minus(rest, after)?)?;
    money::to_pot(state, left)?;
    Ok(cut)
}
