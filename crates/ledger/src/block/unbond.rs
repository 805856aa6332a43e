//! Bonds whose unbonding delay is over.

use crate::state::State;
use crate::{Amount, Event, Refusal, keys, money};

/// Pays the bond of an unbonding entry back to its holder.
pub(super) fn free(state: &mut State<'_>, key: &[u8]) -> Result<(), Refusal> {
    let (Some(role), Some(account)) = (keys::role_of_unbonding(key), keys::account_of(key)) else {
        return Ok(());
    };
    let amount: Amount = state.load(key).unwrap_or_default();
    money::credit(state, &account, amount)?;
    state.remove(key.to_vec());
    state.emit(Event::Unbonded {
        account,
        role,
        amount,
    });
    Ok(())
}
