//! One step of a job, told from what everybody may know: the specification and the model's shape.

use assay_model::{
    BatchShape, Footprint, Graph, Method, ModelConfig, Precision, Purpose, build_graph_in,
};

use crate::build_error::BuildError;
use crate::inputs::MODEL;

/// A step without the model's files. Its operators are the very ones that a run has; what it takes of
/// memory and arithmetic is told to a few hundredths, as for a price.
#[derive(Clone, Debug)]
pub struct Step {
    pub(crate) model: ModelConfig,
    pub(crate) method: Option<Method>,
    pub(crate) shape: BatchShape,
    pub(crate) purpose: Purpose,
    pub(crate) precision: Precision,
}

impl Step {
    /// The operators. A model may have so many that their list takes gigabytes:
    /// [`Step::footprint`] tells before.
    ///
    /// # Errors
    /// When the step cannot be computed on such a model.
    pub fn graph(&self) -> Result<Graph, BuildError> {
        let (model, method) = (&self.model, self.method.as_ref());
        build_graph_in(model, method, self.shape, self.purpose, self.precision)
            .map_err(|e| BuildError::input(MODEL, e))
    }

    /// What it takes, in a short time whatever the sizes.
    ///
    /// # Errors
    /// As [`Step::graph`].
    pub fn footprint(&self) -> Result<Footprint, BuildError> {
        let (model, method) = (&self.model, self.method.as_ref());
        Footprint::new(model, method, self.shape, self.purpose, self.precision)
            .map_err(|e| BuildError::input(MODEL, e))
    }
}
