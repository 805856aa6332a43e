//! `kind = "train"`: a small model on a table or on images, from its first parameters on.

pub(crate) mod delivery;
mod file;
pub(crate) mod program;
pub(crate) mod rows;

use std::path::Path;

use assay_estimator::Specification;
use assay_ledger::Counts;
use assay_model::ModelShape;
use assay_proof::{Handle, Program, Task};

use crate::build_error::{BuildError, chain};
use crate::delivery::Delivery;
use crate::error::JobError;
use crate::inputs::{Inputs, by_name, input};
use crate::kind::{Job, Kind};
use crate::price::{Price, Sizes};

/// Trains by stochastic gradient descent; every step is one batch.
#[derive(Debug)]
pub(crate) struct Train;

/// Input: the rows, as a shard.
const DATA: &str = "data";
/// Private input: the rows that were held out, as a shard.
pub(crate) const HELDOUT: &str = "heldout";
/// Private input: what features and classes are called, and what features were scaled by.
pub(crate) const COLUMNS: &str = "columns";

/// Reads the specification that stands on the ledger.
fn decode(bytes: &[u8]) -> Result<Specification, BuildError> {
    let specification = Specification::from_bytes(bytes)
        .map_err(|error| BuildError::Specification(chain(&error)))?;
    if specification.training.proximal > 0.0 {
        let text = "`proximal` pulls to what a round began with, and a single run has no rounds";
        return Err(BuildError::Specification(text.to_owned()));
    }
    Ok(specification)
}

impl Kind for Train {
    fn name(&self) -> &'static str {
        "train"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(file::TrainFile)
    }

    fn read(&self, text: &str, folder: &Path) -> Result<Job, JobError> {
        file::read(text, folder)
    }

    fn program(&self, task: &Task) -> Result<Box<dyn Program>, BuildError> {
        Ok(Box::new(program::Training::new(task)?))
    }

    fn check(&self, task: &Task, private: &Inputs) -> Result<(), BuildError> {
        program::Training::new(task)?;
        self.check_private(&task.spec, &by_name(task), private)
    }

    fn check_private(
        &self,
        specification: &[u8],
        _inputs: &Inputs,
        private: &Inputs,
    ) -> Result<(), BuildError> {
        let specification = decode(specification)?;
        if private.contains_key(HELDOUT) {
            rows::shard(&specification, HELDOUT, input(private, HELDOUT)?)?;
        }
        rows::columns(private).map(drop)
    }

    fn notes(&self, specification: &[u8], inputs: &Inputs) -> Result<Vec<String>, BuildError> {
        let shard = rows::shard(&decode(specification)?, DATA, input(inputs, DATA)?)?;
        Ok(rows::notes(shard.samples()))
    }

    fn model(&self, _inputs: &Inputs) -> Result<Option<ModelShape>, BuildError> {
        Ok(None)
    }

    fn price(
        &self,
        specification: &[u8],
        _model: Option<&ModelShape>,
        inputs: &Sizes,
    ) -> Result<Price, BuildError> {
        let specification = decode(specification)?;
        let footprint = specification.footprint();
        let footprint = footprint.map_err(|error| BuildError::field("model", error))?;
        let width = specification.model.features() as u64;
        Ok(Price::of_rows(&footprint, width, inputs))
    }

    fn score(&self, specification: &[u8], state: &[u8], test: &Handle) -> Result<u64, BuildError> {
        delivery::millionths(&decode(specification)?, state, test)
    }

    fn deliver(
        &self,
        specification: &[u8],
        inputs: &Inputs,
        private: &Inputs,
        state: (&Counts, &[u8]),
    ) -> Result<Delivery, BuildError> {
        delivery::deliver(&decode(specification)?, inputs, private, state)
    }
}
