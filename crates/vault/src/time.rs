//! Time, as machines are told it.

use std::ops::Add;

/// Milliseconds on the clock of whoever drives a machine; only differences matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Add<u64> for Millis {
    type Output = Millis;

    fn add(self, milliseconds: u64) -> Millis {
        Millis(self.0.saturating_add(milliseconds))
    }
}

/// Names one request of one machine, so that its answer finds the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

/// Hands out tags in order.
#[derive(Debug, Default)]
pub(crate) struct Tags(u64);

impl Tags {
    pub(crate) fn next(&mut self) -> Tag {
        self.0 += 1;
        Tag(self.0)
    }
}
