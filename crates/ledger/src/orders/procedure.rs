//! What distinguishes one way of working on an order from another.
//!
//! The envelope knows who posted an order, what is in its escrow, which phase it is in and until
//! when. A [`Procedure`] says what its phases are ([`Row`]), what a move does, and what follows
//! from a deadline, a draw and a verdict. It puts itself together from pieces that it shares with
//! others: grants, runs, disputes, escrow.

use super::draw::Pools;
use super::life::Row;
use super::redundant::Redundant;
use super::rules::TermsProblem;
use super::traced::Traced;
use crate::state::State;
use crate::{AccountId, FailureReason, Order, OrderCall, Place, Refusal, Terms, Verdict};

/// One way of working on an order.
pub(crate) trait Procedure: Sync {
    /// What is wrong with terms for it: the field, and what would be right.
    fn problems(&self, terms: &Terms) -> Vec<TermsProblem>;

    /// Its phases.
    fn life(&self) -> &'static [Row];

    /// Where a move that `from` makes now would count; `None` where there is no such place. Asked
    /// only of calls that name a place, and that their row allows `from`.
    fn place(&self, order: &Order, from: AccountId, call: &OrderCall) -> Option<Place>;

    /// Whether such a move, other than a grant, is still to be made.
    fn is_open(&self, order: &Order, from: AccountId, call: &OrderCall) -> bool;

    /// Makes a move that its row allows, at its place; the caller saves the order.
    fn make(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        from: AccountId,
        call: &OrderCall,
    ) -> Result<(), Refusal>;

    /// Whether keys may be handed to an account in the present phase.
    fn may_be_granted(&self, order: &Order, validators: &[AccountId], to: AccountId) -> bool;

    /// Ends a phase whose time is over; always changes the order.
    fn late(&self, state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal>;

    /// Draws for an order that waits; says whether it changed.
    fn draw(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        pools: &mut Pools,
    ) -> Result<bool, Refusal>;

    /// Goes on from the dispute that has just got its verdict; `reason` says how the challenged
    /// provider failed, where it did.
    fn decided(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        verdict: Verdict,
        reason: FailureReason,
    ) -> Result<(), Refusal>;
}

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

    /// Its name in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            ProcedureName::Traced => "traced",
            ProcedureName::Redundant => "redundant",
        }
    }

    /// Its phases.
    pub fn life(self) -> &'static [Row] {
        self.rules().life()
    }

    fn rules(self) -> &'static dyn Procedure {
        match self {
            ProcedureName::Traced => &Traced,
            ProcedureName::Redundant => &Redundant,
        }
    }
}

/// The procedure of an order with these terms.
pub(crate) fn of(terms: &Terms) -> &'static dyn Procedure {
    ProcedureName::of(terms).rules()
}

/// The row of an order's present phase.
pub(crate) fn row(order: &Order) -> Option<&'static Row> {
    let mut rows = of(&order.head.terms).life().iter();
    rows.find(|row| row.phase == order.head.phase)
}
