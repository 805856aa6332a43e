//! The procedures there are, and the phases of each.

use super::contest::life::LIFE as CONTEST;
use super::life::Row;
use super::redundant::life::LIFE as REDUNDANT;
use super::rounds::life::LIFE as ROUNDS;
use super::traced::life::LIFE as TRACED;
use crate::{Order, Phase, Terms};

/// The procedures there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProcedureName {
    /// One provider at a time, whose run is audited.
    Traced,
    /// Several providers at once, whose runs are compared.
    Redundant,
    /// Many trainers, whose updates are merged round by round.
    Rounds,
    /// Several providers, of whose models the best on an unseen test set wins.
    Contest,
}

impl ProcedureName {
    /// All of them.
    pub const ALL: [ProcedureName; 4] = [
        ProcedureName::Traced,
        ProcedureName::Redundant,
        ProcedureName::Rounds,
        ProcedureName::Contest,
    ];

    /// The procedure of an order with these terms.
    pub fn of(terms: &Terms) -> Self {
        match terms.copies {
            _ if terms.rounds.is_some() => ProcedureName::Rounds,
            _ if terms.contest.is_some() => ProcedureName::Contest,
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
            ProcedureName::Rounds => "rounds",
            ProcedureName::Contest => "contest",
        }
    }

    /// The phase that an order is posted in.
    pub fn first(self) -> Phase {
        match self {
            ProcedureName::Traced | ProcedureName::Redundant => Phase::Posted,
            ProcedureName::Rounds => Phase::Joining,
            ProcedureName::Contest => Phase::Dealing,
        }
    }

    /// Its phases.
    pub fn life(self) -> &'static [Row] {
        match self {
            ProcedureName::Traced => TRACED,
            ProcedureName::Redundant => REDUNDANT,
            ProcedureName::Rounds => ROUNDS,
            ProcedureName::Contest => CONTEST,
        }
    }
}

/// The row of an order's present phase.
pub(crate) fn row(order: &Order) -> Option<&'static Row> {
    let mut rows = ProcedureName::followed_by(order).life().iter();
    rows.find(|row| row.phase == order.head.phase)
}
