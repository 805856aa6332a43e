//! What a kind of job is, and what its file becomes.

use std::fmt;
use std::path::Path;

use assay_ledger::{Counts, RoundTerms, StateFile};
use assay_model::ModelShape;
use assay_proof::{Audience, Handle, Program, Task, is_refused};

use crate::build_error::{BuildError, chain};
use crate::delivery::Delivery;
use crate::error::JobError;
use crate::inputs::{Inputs, MODEL};
use crate::language;
use crate::price::{Price, Sizes};
use crate::sections::{Audit, Deadlines, Market};
use crate::source::InputSource;
use crate::step::Step;

/// One kind of job: how its file reads, what its program does, what it delivers.
pub trait Kind: Send + Sync {
    /// The word after `kind =` in a job file and on the ledger.
    fn name(&self) -> &'static str;

    /// JSON Schema of this kind's job file.
    fn schema(&self) -> schemars::Schema;

    /// Reads a job file of this kind; relative paths start at `folder`.
    ///
    /// # Errors
    /// When a field is missing, unknown or out of range.
    fn read(&self, text: &str, folder: &Path) -> Result<Job, JobError>;

    /// Builds the chain of steps that providers run and auditors replay.
    ///
    /// # Errors
    /// When the specification is not canonical or an input is unusable.
    fn program(&self, task: &Task) -> Result<Box<dyn Program>, BuildError>;

    /// Checks what the program and the delivery will read, before anything is computed or paid:
    /// model, adapter, data, and what `private` holds.
    ///
    /// # Errors
    /// When something is unusable.
    fn check(&self, task: &Task, private: &Inputs) -> Result<(), BuildError>;

    /// The task whose first step is taken to see whether a job can begin: the job's own. Of a kind that is
    /// done on others' rows it is one on what `private` holds; none, where it holds no rows.
    ///
    /// # Errors
    /// When the specification is not canonical.
    fn rehearsal(&self, task: &Task, private: &Inputs) -> Result<Option<Task>, BuildError> {
        let _ = private;
        Ok(Some(task.clone()))
    }

    /// The part of [`Kind::check`] that is about `private`.
    ///
    /// # Errors
    /// When something is unusable.
    fn check_private(
        &self,
        specification: &[u8],
        inputs: &Inputs,
        private: &Inputs,
    ) -> Result<(), BuildError> {
        let _ = (specification, inputs, private);
        Ok(())
    }

    /// What a person should know of the files and settings before they pay for work on them.
    ///
    /// # Errors
    /// When something is unusable.
    fn notes(&self, specification: &[u8], inputs: &Inputs) -> Result<Vec<String>, BuildError> {
        let _ = specification;
        language::notes(inputs)
    }

    /// What everybody may know of the language model among the inputs; the terms of an order tell it.
    /// Of the inputs only the model's `config.json` is looked at. None of a kind that works on none.
    ///
    /// # Errors
    /// When there is no model, or it is none.
    fn model(&self, inputs: &Inputs) -> Result<Option<ModelShape>, BuildError> {
        language::shape(inputs).map(Some)
    }

    /// How the model is changed, by the name that the terms of an order have for it; none of a kind that
    /// has one way only.
    ///
    /// # Errors
    /// When the specification is not canonical.
    fn method(&self, specification: &[u8]) -> Result<Option<&'static str>, BuildError> {
        let _ = specification;
        Ok(None)
    }

    /// One step on a language model, from the specification and the model's shape. An adapter that is
    /// only scored is not in it: its shape stands in its own files.
    ///
    /// # Errors
    /// When the specification is not canonical, or does not fit such a model, or the kind works on none.
    fn step(&self, specification: &[u8], model: &ModelShape) -> Result<Step, BuildError> {
        let _ = (specification, model);
        Err(BuildError::NoModel(self.name()))
    }

    /// What a run takes of a machine's memory, from what everybody may know of it: of a kind that works on
    /// a language model, its shape.
    ///
    /// # Errors
    /// When the specification is not canonical, or a model of this shape cannot be computed.
    fn price(
        &self,
        specification: &[u8],
        model: Option<&ModelShape>,
        inputs: &Sizes,
    ) -> Result<Price, BuildError>;

    /// How good the model in a final state is on a test set, in one whole number that is the same on every machine:
    /// higher is better, and 0 is a state that is no model, or whose outputs on these rows are not finite. What
    /// validators of a contest find.
    ///
    /// # Errors
    /// When the test set is not such as the job's models take, this machine cannot compute, or models of this kind
    /// have no such number.
    fn score(&self, specification: &[u8], state: &[u8], test: &Handle) -> Result<u64, BuildError> {
        let _ = (specification, state, test);
        Err(BuildError::NotCompared(self.name()))
    }

    /// Turns the final state into files and figures for the requester.
    ///
    /// `private` holds inputs that only the requester can read, such as held-out data; with the
    /// program's own state comes what its steps came to.
    ///
    /// # Errors
    /// When the state or an input is unusable.
    fn deliver(
        &self,
        specification: &[u8],
        inputs: &Inputs,
        private: &Inputs,
        state: (&Counts, &[u8]),
    ) -> Result<Delivery, BuildError>;
}

/// Turns the final state of a run, as it is stored, into files and figures: see [`Kind::deliver`].
///
/// # Errors
/// When the state or an input is unusable.
pub fn deliver(
    kind: &dyn Kind,
    specification: &[u8],
    (inputs, private): (&Inputs, &Inputs),
    stored: &[u8],
) -> Result<Delivery, BuildError> {
    let split = StateFile::decode(stored).map_err(|e| BuildError::input("result", e))?;
    if is_refused(split.1) {
        return Err(BuildError::RefusedByAll);
    }
    kind.deliver(specification, inputs, private, (&split.0, split.1))
}

impl fmt::Debug for dyn Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A job file, read and checked, before its inputs are in the vault.
#[derive(Debug, Clone)]
pub struct Job {
    /// The kind that read it.
    pub kind: &'static dyn Kind,
    /// The requester's name for it.
    pub name: String,
    /// Canonical specification, as it goes on the ledger.
    pub specification: Vec<u8>,
    /// Inputs that go into the vault.
    pub inputs: Vec<InputSource>,
    /// Inputs that only the requester can read.
    pub private: Vec<InputSource>,
    /// Steps of the whole work.
    pub steps: u64,
    /// The field of the job file that decides how many those are.
    pub steps_field: &'static str,
    /// How it is audited.
    pub audit: Audit,
    /// What it costs.
    pub market: Market,
    /// How long each phase may take.
    pub deadlines: Deadlines,
    /// The rounds in which many trainers do it; none of a job that a provider does.
    pub rounds: Option<RoundTerms>,
    /// Bytes of a run's inputs that others bring, at most: in rounds the model, and a trainer's rows.
    pub brought: u64,
}

impl Job {
    /// Handles on all inputs that go into the vault. What lies in large files stays there and is
    /// read through once, for its digest.
    ///
    /// # Errors
    /// When one is missing, unreadable or too large.
    pub fn read_inputs(&self) -> Result<Inputs, JobError> {
        read_all(&self.inputs)
    }

    /// Handles on the inputs that only the requester can read.
    ///
    /// # Errors
    /// When one is missing, unreadable or too large.
    pub fn read_private(&self) -> Result<Inputs, JobError> {
        let own = read_all(&self.private)?.into_iter();
        Ok(own
            .map(|(name, handle)| (name, handle.for_audience(Audience::Owner)))
            .collect())
    }

    /// What everybody may know of its model; none of a kind that works on no language model.
    ///
    /// # Errors
    /// When there should be a model among the inputs and is not, or it is none.
    pub fn model(&self, inputs: &Inputs) -> Result<Option<ModelShape>, JobError> {
        let model = self.kind.model(inputs);
        model.map_err(|error| JobError::of_parts(self, error))
    }

    /// The same as the terms of an order tell it.
    ///
    /// # Errors
    /// As [`Job::model`].
    pub fn told_model(&self, inputs: &Inputs) -> Result<Vec<u8>, JobError> {
        let model = self.model(inputs)?;
        Ok(model.map_or_else(Vec::new, |model| model.to_bytes().to_vec()))
    }

    /// What a person should know of the files and settings before they pay for work on them.
    ///
    /// # Errors
    /// When something is unusable.
    pub fn notes(&self, inputs: &Inputs) -> Result<Vec<String>, JobError> {
        let notes = self.kind.notes(&self.specification, inputs);
        notes.map_err(|error| JobError::of_parts(self, error))
    }

    /// The absolute path of the model's folder or file, for those who look for an adapter's base.
    pub fn model_path(&self) -> Option<String> {
        let model = self.inputs.iter().find(|input| input.name == MODEL)?;
        let path = std::fs::canonicalize(&model.path).ok()?;
        path.to_str().map(str::to_owned)
    }
}

fn read_all(sources: &[InputSource]) -> Result<Inputs, JobError> {
    sources
        .iter()
        .map(|s| Ok((s.name.to_owned(), s.read()?)))
        .collect()
}

impl JobError {
    /// What is wrong with a job's parts, by the fields and files that its file names.
    pub(crate) fn of_parts(job: &Job, error: BuildError) -> Self {
        match error {
            BuildError::Input { name, source } | BuildError::Unread { name, source } => {
                let mut all = job.inputs.iter().chain(&job.private);
                match all.find(|input| input.name == name) {
                    Some(input) => Self::Input {
                        field: input.field,
                        path: input.path.clone(),
                        source,
                    },
                    None => Self::Build(BuildError::Input { name, source }),
                }
            }
            BuildError::Field { field, source } => {
                let problem = chain(&*source);
                Self::Value { field, problem }
            }
            error => Self::Build(error),
        }
    }
}
