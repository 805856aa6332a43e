//! The procedures there are, and the phases of each.

use super::life::Row;
use super::redundant::life::LIFE as REDUNDANT;
use super::traced::life::LIFE as TRACED;
use crate::{Order, Terms};

/// The procedures there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProcedureName {
    /// One provider at a time, whose run is audited.
    Traced,
    /// Several providers at once, whose runs are compared.
    Redundant,
}

impl ProcedureName {
    /// All of them.
    pub const ALL: [ProcedureName; 2] = [ProcedureName::Traced, ProcedureName::Redundant];

    /// The procedure of an order with these terms.
    pub fn of(terms: &Terms) -> Self {
        match terms.copies {
            0 | 1 => ProcedureName::Traced,
            _ => ProcedureName::Redundant,
        }
    }

    /// The procedure that an order follows now: a copy that was left alone is audited as if there had
    /// been no others.
    pub fn followed_by(order: &Order) -> Self {
        match order.standing().any(|run| run.last_resort) {
            true => ProcedureName::Traced,
            false => ProcedureName::of(&order.head.terms),
        }
    }

    /// Its name in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            ProcedureName::Traced => "traced",
            ProcedureName::Redundant => "redundant",
        }
    }

    /// Its phases.
    pub fn life(self) -> &'static [Row] {
        match self {
            ProcedureName::Traced => TRACED,
            ProcedureName::Redundant => REDUNDANT,
        }
    }
}

/// The row of an order's present phase.
pub(crate) fn row(order: &Order) -> Option<&'static Row> {
    let mut rows = ProcedureName::followed_by(order).life().iter();
    rows.find(|row| row.phase == order.head.phase)
}
