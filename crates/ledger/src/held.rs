//! How much money of each sort there is.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::Amount;

/// Money by what it is for. With treasury and pot it is all there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Totals {
    /// Spendable.
    pub(crate) balances: Amount,
    /// Bonds, locked parts included.
    pub(crate) bonds: Amount,
    /// Bonds on their way back.
    pub(crate) unbonding: Amount,
    /// Held by orders, and for what storage nodes earn.
    pub(crate) escrow: Amount,
}

impl Totals {
    /// These with one record's money replaced. Sums of a conserved supply neither overflow nor fall below zero.
    pub(crate) fn changed(self, before: Totals, after: Totals) -> Totals {
        let each = |of: fn(&Totals) -> Amount| {
            Amount(
                of(&self)
                    .0
                    .wrapping_sub(of(&before).0)
                    .wrapping_add(of(&after).0),
            )
        };
        Totals {
            balances: each(|of| of.balances),
            bonds: each(|of| of.bonds),
            unbonding: each(|of| of.unbonding),
            escrow: each(|of| of.escrow),
        }
    }
}
