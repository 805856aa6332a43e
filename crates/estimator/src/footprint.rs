//! What a step takes, told from its specification.

use crate::data::Samples;
use crate::error::{SpecError, TrainError};
use crate::network::Layout;
use crate::spec::Specification;
use crate::train::check_samples;

/// The way there, and for inputs and parameters each the way back.
const WAYS: u64 = 3;
/// Parameters that a trainer holds beside the state: their gradient, what comes next of them and of their
/// velocity, the anchor, and the two terms of a step that are as long.
const BESIDE: u64 = 6;

/// What a step takes of memory and arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes of a [`State`](crate::State): parameters and velocity.
    pub state: u64,
    /// Bytes that a trainer holds while it takes a step, at most.
    pub step: u64,
    /// Bytes that rows take which are held as a [`Shard`](crate::Shard), for each.
    pub row: u64,
    /// Products that are added up in a step of a full batch.
    pub products: u64,
}

impl Specification {
    /// What a step takes, at most.
    ///
    /// # Errors
    /// When the specification makes no sense.
    pub fn footprint(&self) -> Result<Footprint, SpecError> {
        self.check()?;
        let layout = Layout::new(&self.model)?;
        let batch = u64::from(self.training.batch_size);
        let parameters = 4 * layout.len() as u64;
        let row_products: u64 = layout.layers.iter().map(|layer| layer.products()).sum();
        Ok(Footprint {
            state: 2 * parameters,
            step: (BESIDE * parameters)
                .saturating_add((4 * WAYS * batch).saturating_mul(layout.activations())),
            // Its values and its label, which is held twice more while it is read, and a tree of two digests
            // for each leaf, which is built from a list of one.
            row: 4 * (self.model.features() as u64 + 3) + 96,
            products: (WAYS * batch).saturating_mul(row_products).max(1),
        })
    }

    /// Whether rows are such as the model takes, and there are any.
    ///
    /// # Errors
    /// When there are none, they have other features, or other labels.
    pub fn check_rows(&self, samples: &Samples) -> Result<(), TrainError> {
        let layout = Layout::new(&self.model)?;
        check_samples(&layout, samples)?;
        match samples.rows() {
            0 => Err(TrainError::NoRows),
            _ => Ok(()),
        }
    }
}
