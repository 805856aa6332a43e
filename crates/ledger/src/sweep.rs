//! How far the orders that found nobody have been looked at again.
//!
//! They are looked at in passes, a few in each block. A pass begins when an offer changes, or a bond or a
//! slot comes free; what changes while one is under way is seen by the next. So whoever found nobody is
//! looked at again after every change, and while nothing changes nobody is.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::keys::join;
use crate::state::State;

/// The passes over those that wait: for committed work, and for a first provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Sweeps {
    pub(crate) urgent: Sweep,
    pub(crate) posted: Sweep,
}

/// One pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Sweep {
    /// The least key that it has not come to; `None` where none is under way.
    pub(crate) at: Option<Vec<u8>>,
    /// Something changed since it began: another one follows.
    pub(crate) again: bool,
}

impl Sweep {
    fn rouse(&mut self) {
        match self.at {
            Some(_) => self.again = true,
            None => self.at = Some(Vec::new()),
        }
    }

    /// Ends it, and begins the next one if there is to be one.
    pub(crate) fn end(&mut self) {
        self.at = std::mem::take(&mut self.again).then(Vec::new);
    }
}

pub(crate) fn key() -> Vec<u8> {
    join(b'z', &[])
}

/// Somebody may be drawn now who could not be before.
pub(crate) fn rouse(state: &mut State<'_>) {
    let mut sweeps: Sweeps = state.load(&key()).unwrap_or_default();
    sweeps.urgent.rouse();
    sweeps.posted.rouse();
    state.roused = true;
    state.save_changed(key(), &sweeps);
}
