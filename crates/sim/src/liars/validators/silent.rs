//! Hears everything and says nothing.

use crate::liars::{Said, Tongue};

pub(super) struct Silent;

impl Tongue for Silent {
    fn say(&mut self, _: Said) -> Vec<Said> {
        Vec::new()
    }
}
