//! Calls: one file for each group.

mod accounts;
mod audit;
mod dispute;
mod files;
mod orders;

use crate::state::State;
use crate::{AccountId, Call, Order, OrderId, Phase, Refusal, Transaction};

/// Applies a transaction's call; on `Err` the caller forgets whatever was written.
pub(crate) fn apply(state: &mut State<'_>, tx: &Transaction) -> Result<(), Refusal> {
    let sender = tx.sender;
    match &tx.call {
        Call::Transfer { to, amount } => accounts::transfer(state, sender, *to, *amount),
        Call::Register {
            role,
            bond,
            encryption_key,
            address,
        } => accounts::register(state, sender, *role, *bond, *encryption_key, address),
        Call::Unregister { role } => accounts::unregister(state, sender, *role),
        Call::PutFile(record) => files::put(state, sender, record),
        Call::PostOrder(terms) => orders::post(state, sender, tx.nonce, terms),
        Call::CancelOrder { order } => orders::cancel(state, sender, *order),
        Call::Grant {
            order,
            grantee,
            sealed,
        } => orders::grant(state, sender, *order, *grantee, sealed),
        Call::Decline { order, reason } => orders::decline(state, sender, *order, *reason),
        Call::CommitTrace {
            order,
            root,
            checkpoints,
            result,
        } => orders::commit_trace(state, sender, *order, *root, checkpoints, *result),
        Call::OpenStarts { order, openings } => audit::open_starts(state, sender, *order, openings),
        Call::CommitAudit { order, commitment } => {
            audit::commit(state, sender, *order, *commitment)
        }
        Call::OpenEnds { order, openings } => audit::open_ends(state, sender, *order, openings),
        Call::RevealAudit {
            order,
            results,
            salt,
        } => audit::reveal(state, sender, *order, results, salt),
        Call::Bisect { order, leaf, path } => {
            dispute::bisect(state, sender, *order, *leaf, path.as_ref())
        }
        Call::Attest { order, leaf } => dispute::attest(state, sender, *order, *leaf),
        Call::Complain { order } => dispute::complain(state, sender, *order),
        Call::Accept { order } => orders::accept(state, sender, *order),
    }
}

/// An order in one of `phases`.
fn order_in(
    state: &State<'_>,
    order: OrderId,
    phases: &[Phase],
    call: &str,
) -> Result<Order, Refusal> {
    let order = state.order(order)?;
    if !phases.contains(&order.phase) {
        let (order, phase) = (order.id, order.phase);
        return Err(Refusal::WrongPhase {
            order,
            phase,
            call: call.to_owned(),
        });
    }
    Ok(order)
}

/// Refuses a sender who is not the one whose move it is.
fn must_be(
    order: &Order,
    sender: AccountId,
    expected: Option<AccountId>,
    belongs: &str,
) -> Result<(), Refusal> {
    if expected == Some(sender) {
        return Ok(());
    }
    Err(Refusal::NotYourMove {
        order: order.id,
        belongs: belongs.to_owned(),
    })
}
