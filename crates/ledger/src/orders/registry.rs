//! The code behind each procedure.

use super::contest::InContest;
use super::lives::ProcedureName;
use super::procedure::Procedure;
use super::redundant::Redundant;
use super::rounds::InRounds;
use super::traced::Traced;

/// The code of a procedure.
pub(crate) fn of(name: ProcedureName) -> &'static dyn Procedure {
    match name {
        ProcedureName::Traced => &Traced,
        ProcedureName::Redundant => &Redundant,
        ProcedureName::Rounds => &InRounds,
        ProcedureName::Contest => &InContest,
    }
}
