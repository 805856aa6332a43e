//! What parties are made of.

use std::sync::Arc;

use super::cast::{MakeParty, MakePrograms};
use super::stage::Stage;

/// One party of one order, and what it and its computation are made of, over and over.
pub(crate) struct Maker {
    /// Whose, by its place among the members.
    pub(super) at: usize,
    /// Of which order.
    pub(super) stage: Arc<Stage>,
    pub(super) party: MakeParty,
    pub(super) programs: MakePrograms,
}

/// Everybody in every order.
pub(crate) type Makers = Vec<Maker>;
