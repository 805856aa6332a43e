//! `kind = "finetune"`: training an adapter of a Llama-family model, or the model itself.

mod adapter;
mod course;
mod file;
mod program;
mod state;
mod training;

use std::path::Path;

use assay_ledger::Counts;
use assay_model::ModelShape;
use assay_proof::{Program, Task};

use crate::build_error::BuildError;
use crate::delivery::Delivery;
use crate::error::JobError;
use crate::inputs::{Inputs, MODEL, by_name};
use crate::kind::{Job, Kind};
use crate::price::{Price, Sizes};
use crate::step::Step;

pub use course::Course;

use file::Specification;

/// Trains by one of the methods of [`assay_model::Method`]; every step is one batch.
#[derive(Debug)]
pub(crate) struct Finetune;

/// Input: the training records.
const TRAIN: &str = "train";
/// Input: records on which the run watches itself.
const VALIDATION: &str = "validation";
/// Private input: the held-out records.
const HELDOUT: &str = "heldout";

impl Kind for Finetune {
    fn name(&self) -> &'static str {
        "finetune"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(file::FinetuneFile)
    }

    fn read(&self, text: &str, folder: &Path) -> Result<Job, JobError> {
        file::read(text, folder)
    }

    fn program(&self, task: &Task) -> Result<Box<dyn Program>, BuildError> {
        Ok(Box::new(program::Finetuning::new(task)?))
    }

    fn check(&self, task: &Task, private: &Inputs) -> Result<(), BuildError> {
        // Held until all is checked, so that the model is read once.
        let _course = Course::new(task)?;
        program::check_private(&task.spec, &by_name(task), private)
    }

    fn check_private(
        &self,
        specification: &[u8],
        inputs: &Inputs,
        private: &Inputs,
    ) -> Result<(), BuildError> {
        program::check_private(specification, inputs, private)
    }

    fn notes(&self, specification: &[u8], inputs: &Inputs) -> Result<Vec<String>, BuildError> {
        program::notes(specification, inputs)
    }

    fn method(&self, specification: &[u8]) -> Result<Option<&'static str>, BuildError> {
        Ok(Some(
            Specification::decode(specification)?.adapter.method_name(),
        ))
    }

    fn step(&self, specification: &[u8], model: &ModelShape) -> Result<Step, BuildError> {
        let model = model.config();
        let model = model.map_err(|e| BuildError::input(MODEL, e))?;
        program::step(&Specification::decode(specification)?, model)
    }

    fn price(
        &self,
        specification: &[u8],
        model: Option<&ModelShape>,
        inputs: &Sizes,
    ) -> Result<Price, BuildError> {
        let watched = program::watched(&Specification::decode(specification)?);
        let model = model.ok_or(BuildError::NoModel("finetune"))?;
        let step = self.step(specification, model)?;
        Price::of(&step, watched, inputs)
    }

    fn deliver(
        &self,
        specification: &[u8],
        inputs: &Inputs,
        private: &Inputs,
        state: (&Counts, &[u8]),
    ) -> Result<Delivery, BuildError> {
        program::deliver(specification, inputs, private, state)
    }
}
