//! What came of an audit that is an order of its own ([`super::audits`]), told to the order whose part it was of.

use super::stored::{load, save};
use super::{contest, rounds};
use crate::accounts::money;
use crate::state::State;
use crate::{Amount, Order, Outcome, ProcedureName, Refusal};

/// Takes note that an audit has ended, in the order whose part it was of: what it did not spend goes back
/// there.
pub(super) fn tell(
    state: &mut State<'_>,
    audit: &mut Order,
    outcome: Outcome,
) -> Result<(), Refusal> {
    let Some(of) = audit.head.audit_of.as_deref().cloned() else {
        return Ok(());
    };
    let mut order = load(state, of.order)?;
    let left = std::mem::replace(&mut audit.head.escrow, Amount::ZERO);
    order.head.escrow = money::plus(order.head.escrow, left)?;
    let stands = matches!(outcome, Outcome::Paid | Outcome::Failed);
    match ProcedureName::of(&order.head.terms) {
        ProcedureName::Contest => contest::audited(state, &mut order, of.trainer, stands)?,
        ProcedureName::Traced | ProcedureName::Redundant | ProcedureName::Rounds => {
            rounds::audited(state, &mut order, of.trainer, stands)?;
        }
    }
    save(state, &mut order);
    Ok(())
}
