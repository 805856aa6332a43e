//! The inputs of a job by name.

use std::collections::BTreeMap;

use assay_proof::{Handle, Task};

use crate::archive::Archive;
use crate::build_error::BuildError;

/// Handles on inputs by name.
pub type Inputs = BTreeMap<String, Handle>;

/// How many bytes each input has at least, by name.
pub type Lengths = BTreeMap<String, u64>;

/// Input: the base model's folder, as one archive.
pub(crate) const MODEL: &str = "model";
/// Input: an adapter's PEFT folder, as one archive.
pub(crate) const ADAPTER: &str = "adapter";

/// An input by name.
pub(crate) fn input<'a>(inputs: &'a Inputs, name: &'static str) -> Result<&'a Handle, BuildError> {
    inputs.get(name).ok_or(BuildError::MissingInput(name))
}

/// Inputs of a task by name.
pub(crate) fn by_name(task: &Task) -> Inputs {
    let pairs = task
        .inputs
        .iter()
        .map(|input| (input.name.clone(), input.handle.clone()));
    pairs.collect()
}

/// The archive of the base model.
pub(crate) fn model(inputs: &Inputs) -> Result<Archive<'_>, BuildError> {
    Archive::open(MODEL, input(inputs, MODEL)?)
}
