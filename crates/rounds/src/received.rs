//! The updates of one round, read where they lie.

use assay_aggregate::{AggregateError, BadShape, Shape, Updates};

use crate::age::aged;
use crate::update::Update;

/// An update that counts, and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted<'a> {
    pub(crate) update: Update<'a>,
    /// What is left of it for its age, in 1,048,576ths.
    pub(crate) factor: u32,
    /// What it weighs in a mean.
    pub(crate) weight: u64,
}

/// Updates that are merged.
#[derive(Clone, Debug)]
pub(crate) struct Received<'a> {
    updates: Vec<Counted<'a>>,
    shape: Shape,
}

impl<'a> Received<'a> {
    /// Updates of so many coordinates with values of so many bits.
    pub(crate) fn new(
        updates: Vec<Counted<'a>>,
        coordinates: usize,
        bits: u8,
    ) -> Result<Received<'a>, BadShape> {
        let shape = Shape::new(updates.len(), coordinates, bits)?;
        Ok(Received { updates, shape })
    }

    /// The numbers of their trainers.
    pub(crate) fn trainers(&self) -> impl Iterator<Item = u64> + '_ {
        self.updates
            .iter()
            .map(|counted| counted.update.head().trainer)
    }
}

impl Updates for Received<'_> {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn weight(&self, update: usize) -> u64 {
        self.updates.get(update).map_or(1, |counted| counted.weight)
    }

    fn read(&self, update: usize, first: usize, out: &mut [i32]) -> Result<(), AggregateError> {
        let counted = self.updates.get(update);
        let counted =
            counted.ok_or_else(|| AggregateError::unreadable(update, "there is no such update"))?;
        counted.update.read(first, out);
        aged(out, counted.factor);
        Ok(())
    }
}
