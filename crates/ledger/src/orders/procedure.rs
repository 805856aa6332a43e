//! What distinguishes one way of working on an order from another.
//!
//! The envelope knows who posted an order, what is in its escrow, which phase it is in and until
//! when. The rows of a procedure say what its phases are ([`super::life::Row`]); a [`Procedure`] says
//! what a move does, and what follows from a deadline, a draw and a verdict. It puts itself together
//! from pieces that it shares with others and that know nothing of it: grants, runs, disputes, escrow.

use super::draw::Pools;
use super::rules::problem::TermsProblem;
use crate::state::State;
use crate::{AccountId, Claim, Moment, Order, OrderCall, Place, Refusal, Terms, Trainer};

/// Who makes a move.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    /// The account.
    pub(crate) account: AccountId,
    /// Its part in an order with rounds, if it ever joined it.
    pub(crate) trainer: Option<&'a Trainer>,
    /// Its claim in a contest, if it made one.
    pub(crate) claim: Option<&'a Claim>,
}

/// One way of working on an order.
pub(crate) trait Procedure: Sync {
    /// What is wrong with terms for it: the field, and what would be right.
    fn problems(&self, terms: &Terms) -> Vec<TermsProblem>;

    /// Where a move that `from` makes now would count; `None` where there is no such place. Asked
    /// only of calls that name a place, and that their row allows `from`.
    fn place(&self, order: &Order, from: &Sender<'_>, call: &OrderCall) -> Option<Place>;

    /// Whether such a move, other than a grant, is still to be made in the block `now`.
    fn is_open(&self, order: &Order, from: &Sender<'_>, call: &OrderCall, now: Moment) -> bool;

    /// Makes a move that its row allows, at its place; the caller saves the order.
    fn make(
        &self,
        state: &mut State<'_>,
        order: &mut Order,
        from: &Sender<'_>,
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
}
