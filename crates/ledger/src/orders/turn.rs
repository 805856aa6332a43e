//! Whose move an order waits for, call by call.
//!
//! The phase says who loses when nothing comes; here stands which calls would be that move. A
//! pool keeps a place for each of them, since silence costs a bond.

use super::lives::row;
use super::procedure::Sender;
use super::{keys, registry};
use crate::{
    AccountId, Amount, Call, Moment, Order, OrderCall, OrderId, ProcedureName, ReadError, Store,
    query,
};

/// One move that an order waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn {
    /// The order.
    pub order: OrderId,
    /// Who has to move.
    pub by: AccountId,
    /// Whom keys are handed to, where the move is a grant: each is a move of its own.
    pub grantee: Option<AccountId>,
    /// The move counts as long as this is not over.
    pub deadline: Moment,
    /// What the order holds of its requester's money: whoever posts orders to crowd others' moves out
    /// has to hold as much.
    pub stake: Amount,
}

/// The move that `call` of `sender` would be, if its order waits for it.
///
/// Whether the ledger will accept the call is not decided here: its contents are not looked at.
pub(crate) fn turn(
    store: &dyn Store,
    sender: AccountId,
    call: &Call,
) -> Result<Option<Turn>, ReadError> {
    let (Call::Order(call), Some(id)) = (call, call.order()) else {
        return Ok(None);
    };
    let Some(order) = query::order(store, &id)? else {
        return Ok(None);
    };
    let validators = query::validators(store)?;
    let now = query::now(store)?;
    let trainer = query::trainer(store, &id, &sender)?;
    let claim = match order.contest {
        Some(_) => query::claim(store, &id, &sender)?,
        None => None,
    };
    let by = Sender {
        account: sender,
        trainer: trainer.as_ref(),
        claim: claim.as_ref(),
    };
    if !is_awaited(&order, (&validators, now), &by, call) {
        return Ok(None);
    }
    let grantee = match call {
        OrderCall::Grant { place, grantee, .. } => {
            if store.get(&keys::grant(place, &sender, grantee))?.is_some() {
                return Ok(None);
            }
            Some(*grantee)
        }
        _ => None,
    };
    Ok(Some(Turn {
        order: id,
        by: sender,
        grantee,
        deadline: order.head.deadline,
        stake: Amount(order.head.escrow.0.saturating_add(order.head.deposit.0)),
    }))
}

fn is_awaited(
    order: &Order,
    (validators, now): (&[AccountId], Moment),
    sender: &Sender<'_>,
    call: &OrderCall,
) -> bool {
    let moves = row(order).map_or(&[][..], |row| row.moves);
    let mut moves = moves.iter().filter(|known| known.awaited);
    let mine =
        moves.any(|known| known.call == call.name() && known.by.is(order, validators, sender));
    let procedure = registry::of(ProcedureName::followed_by(order));
    let here = || match call.place() {
        Some(place) => procedure.place(order, sender, call) == Some(place),
        None => true,
    };
    let open = || match call {
        OrderCall::Grant { grantee, .. } => procedure.may_be_granted(order, validators, *grantee),
        _ => procedure.is_open(order, sender, call, now),
    };
    mine && here() && open()
}
