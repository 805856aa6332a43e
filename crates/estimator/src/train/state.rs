//! The state of a run.

use std::sync::Arc;

use assay_crypto::Digest;
use assay_crypto::tiles::Tiled;
use assay_kernel::all_finite;

use super::init;
use crate::error::{SpecError, StateError};
use crate::network::{Layout, View, views};
use crate::spec::ModelSpec;

/// Everything that a step reads and writes: the parameters, their velocity, and how many steps were
/// taken. With specification, shard and order it determines the rest of the run.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) layout: Arc<Layout>,
    pub(super) parameters: Vec<f32>,
    pub(super) velocity: Vec<f32>,
    pub(super) steps: u64,
}

impl PartialEq for State {
    /// Equal bits, not equal numbers: +0 and -0 differ, as their digests do.
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl State {
    /// The state before the first step, from a public seed.
    ///
    /// # Errors
    /// When the model makes no sense.
    pub fn initial(model: &ModelSpec, seed: &[u8; 32]) -> Result<Self, SpecError> {
        let layout = Layout::new(model)?;
        let parameters = init::parameters(&layout, seed);
        Ok(Self {
            velocity: vec![0.0; parameters.len()],
            layout: Arc::new(layout),
            parameters,
            steps: 0,
        })
    }

    /// A state at rest that goes on from these parameters, as after the rounds of a federation: so many
    /// steps were taken, and nothing moves yet.
    ///
    /// # Errors
    /// [`StateError`] when the values are not as many as the model has, or not finite.
    pub fn at_rest(&self, parameters: Vec<f32>, steps: u64) -> Result<Self, StateError> {
        check_values(&parameters, self.layout.len())?;
        Ok(Self {
            layout: self.layout.clone(),
            velocity: vec![0.0; parameters.len()],
            parameters,
            steps,
        })
    }

    /// The model.
    pub fn model(&self) -> &ModelSpec {
        &self.layout.model
    }

    /// All parameters, one tensor after the other.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The parameters by name and shape, in order.
    pub fn views(&self) -> impl Iterator<Item = View<'_>> {
        views(&self.layout.params, &self.parameters)
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The digest of [`State::to_bytes`], tile by tile, as traces bind states: see [`assay_crypto::tiles`].
    pub fn digest(&self) -> Digest {
        Tiled::of(&self.to_bytes()).digest()
    }
}

/// Checks a list that is to be a model's parameters.
pub(crate) fn check_values(values: &[f32], expected: usize) -> Result<(), StateError> {
    if values.len() != expected {
        return Err(StateError::Length {
            expected: expected as u64,
            found: values.len() as u64,
        });
    }
    if !all_finite(values) {
        let at = values.iter().position(|value| !value.is_finite());
        return Err(StateError::NotFinite(at.unwrap_or_default() as u64));
    }
    Ok(())
}
