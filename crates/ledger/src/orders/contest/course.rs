//! How far a contest has come, and how it ends.

use super::record::Contest;
use crate::orders::passage::enter;
use crate::state::State;
use crate::{Order, Outcome, Phase};

/// How far it has come.
pub(super) fn contest(order: &mut Order) -> &mut Contest {
    order.contest.get_or_insert_default()
}

/// Decides how it ends: everybody is paid and let go at the beginning of a block.
pub(super) fn end(state: &mut State<'_>, order: &mut Order, outcome: Outcome) {
    contest(order).ending = Some(outcome);
    enter(state, order, Phase::Between);
}
