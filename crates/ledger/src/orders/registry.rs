//! The code behind each procedure.

use super::lives::ProcedureName;
use super::procedure::Procedure;
use super::redundant::Redundant;
use super::traced::Traced;
use crate::Terms;

/// The procedure of an order with these terms.
pub(crate) fn of(terms: &Terms) -> &'static dyn Procedure {
    match ProcedureName::of(terms) {
        ProcedureName::Traced => &Traced,
        ProcedureName::Redundant => &Redundant,
    }
}
