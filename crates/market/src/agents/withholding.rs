//! A requester that has providers drawn and hands them no keys.

use crate::scene::{Agent, Scene};

/// It posts, and is not heard of again.
pub(crate) struct Withholding;

impl Agent for Withholding {
    fn moves(&mut self, _: &mut Scene<'_>) {}
}
