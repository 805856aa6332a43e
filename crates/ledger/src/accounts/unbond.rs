//! Bonds whose unbonding delay is over.

use super::money;
use crate::state::State;
use crate::{AccountEvent, AccountId, Amount, Refusal, Role};

/// Pays the bond of an unbonding timer back to its holder.
pub(crate) fn free(
    state: &mut State<'_>,
    (role, account): (Role, AccountId),
    amount: Amount,
) -> Result<(), Refusal> {
    money::credit(state, &account, amount)?;
    state.emit(AccountEvent::Unbonded {
        account,
        role,
        amount,
    });
    Ok(())
}
