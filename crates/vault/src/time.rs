//! Names of requests.

pub use assay_machine::Millis;

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
