//! Kinds of job, and the registry that names them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use assay_model::{ADAPTER_CONFIG, ModelShape};
use assay_proof::{Audience, Handle, Program, ProgramError, Programs, Task};
use serde::Deserialize;

use crate::error::{BuildError, JobError};
use crate::evaluate::Evaluate;
use crate::finetune::Finetune;
use crate::language::{self, MODEL};
use crate::price::Price;
use crate::sections::{Audit, Deadlines, Market};
use crate::source::InputSource;
use crate::step::Step;

/// Handles on inputs by name.
pub type Inputs = BTreeMap<String, Handle>;

/// How many bytes each input has at least, by name.
pub type Lengths = BTreeMap<String, u64>;

/// The bytes of inputs on which a run's memory depends. A model's weights are not among them: they are
/// read where they lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// What of the model's archive is in memory before the run begins.
    pub resident: u64,
    /// What is read as text: the files of the model that are no weights, and the other inputs.
    pub texts: u64,
}

impl Sizes {
    /// Of inputs that are here.
    ///
    /// # Errors
    /// When the model is missing, or its archive cannot be read.
    pub fn of(inputs: &Inputs) -> Result<Self, BuildError> {
        let texts = inputs.iter().filter(|(name, _)| *name != MODEL);
        let texts = texts.map(|(_, handle)| handle.length());
        Ok(Self {
            resident: language::input(inputs, MODEL)?.resident(),
            texts: texts.fold(
                language::model(inputs)?.settings_bytes(),
                u64::saturating_add,
            ),
        })
    }

    /// The least that inputs of these lengths can have.
    pub(crate) fn told(lengths: &Lengths) -> Self {
        let texts = lengths.iter().filter(|(name, _)| *name != MODEL);
        Self {
            resident: 0,
            texts: texts.fold(0, |sum, (_, length)| sum.saturating_add(*length)),
        }
    }
}

/// Every kind this build knows. A new kind is registered here and in `assay-ledger`'s rules.
pub const KINDS: &[&dyn Kind] = &[&Finetune, &Evaluate];

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

    /// What everybody may know of the model among the inputs; the terms of an order tell it. Of the
    /// inputs only the model's `config.json` is looked at.
    ///
    /// # Errors
    /// When there is no model, or it is none.
    fn model(&self, inputs: &Inputs) -> Result<ModelShape, BuildError> {
        language::shape(inputs)
    }

    /// One step, from the specification and the model's shape. An adapter that is only scored is
    /// not in it: its shape stands in its own files.
    ///
    /// # Errors
    /// When the specification is not canonical, or does not fit such a model.
    fn step(&self, specification: &[u8], model: &ModelShape) -> Result<Step, BuildError>;

    /// What a run takes of a machine's memory, from what everybody may know of it.
    ///
    /// # Errors
    /// When the specification is not canonical, or a model of this shape cannot be computed.
    fn price(
        &self,
        specification: &[u8],
        model: &ModelShape,
        inputs: &Sizes,
    ) -> Result<Price, BuildError>;

    /// Turns the final state into files and figures for the requester.
    ///
    /// `private` holds inputs that only the requester can read, such as held-out data.
    ///
    /// # Errors
    /// When the state or an input is unusable.
    fn deliver(
        &self,
        specification: &[u8],
        inputs: &Inputs,
        private: &Inputs,
        state: &[u8],
    ) -> Result<Delivery, BuildError>;
}

impl fmt::Debug for dyn Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a requester gets for its money.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// Files of the result folder: name and bytes.
    pub files: Vec<(String, Vec<u8>)>,
    /// Figures about the result, each recomputable from specification, inputs and state.
    pub figures: BTreeMap<String, f64>,
    /// Text generated before and after, for a person to look at: prompt, base, result.
    pub samples: Vec<Sample>,
    /// What the requester should know about the result before using it.
    pub warnings: Vec<String>,
    /// What the model's files leave open or say differently from one another, and what of the
    /// settings is passed over.
    pub notes: Vec<String>,
}

impl Delivery {
    /// Says in an adapter's settings where its base lies: `base_model_name_or_path`, where PEFT looks
    /// for it. The work itself knows the model only by its bytes.
    pub fn name_base(&mut self, base: Option<&str>) {
        let configs = self.files.iter_mut();
        for (_, bytes) in configs.filter(|(name, _)| name == ADAPTER_CONFIG) {
            *bytes = assay_model::name_base(bytes, base);
        }
    }
}

/// One prompt answered by the base model and by the result.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sample {
    /// What was asked.
    pub prompt: String,
    /// The base model's greedy answer.
    pub base: String,
    /// The adapted model's greedy answer.
    pub adapted: String,
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

    /// What the terms of an order for the job tell of its model.
    ///
    /// # Errors
    /// When there is no model among the inputs, or it is none.
    pub fn model(&self, inputs: &Inputs) -> Result<ModelShape, JobError> {
        let model = self.kind.model(inputs);
        model.map_err(|error| JobError::of_parts(self, error))
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

/// The kind of that name.
pub fn kind(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|k| k.name() == name)
}

/// Reads a job file of any kind; relative paths start at `folder`.
///
/// # Errors
/// When the file is not a job file of a known kind, or a field is wrong.
pub fn read(text: &str, folder: &Path) -> Result<Job, JobError> {
    #[derive(Deserialize)]
    struct Head {
        kind: String,
    }
    let head: Head = toml::from_str(text).map_err(|e| JobError::Syntax(Box::new(e)))?;
    let Some(kind) = kind(&head.kind) else {
        let known: Vec<_> = KINDS.iter().map(|k| k.name()).collect();
        return Err(JobError::UnknownKind {
            found: head.kind,
            known: known.join(", "),
        });
    };
    kind.read(text, folder)
}

/// Builds programs of every registered kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Registry;

impl Programs for Registry {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        let (kind, _) = agreed(task)?;
        kind.program(task).map_err(ProgramError::from)
    }
}

/// The kind of a task, and the shape of its model: the one that the order tells, which must be that of
/// the model's files. A provider that took the work by the order's word would otherwise get other work
/// (`docs/decisions/0301-terms-tell-the-model.md`).
pub(crate) fn agreed(task: &Task) -> Result<(&'static dyn Kind, ModelShape), ProgramError> {
    let name = &task.kind;
    let kind = kind(name).ok_or_else(|| BuildError::UnknownKind(name.clone()))?;
    let found = kind.model(&language::by_name(task))?;
    let told = told(&task.model)?;
    let pairs = told.named().into_iter().zip(found.named());
    for ((field, told), (_, found)) in pairs {
        if told != found {
            let problem = BuildError::OtherModel { field, told, found };
            return Err(problem.into());
        }
    }
    Ok((kind, told))
}

/// The shape that the terms of an order tell of its model.
pub(crate) fn told(bytes: &[u8]) -> Result<ModelShape, BuildError> {
    ModelShape::from_bytes(bytes).map_err(|error| BuildError::Told(Box::new(error)))
}

/// JSON Schema of a job file of any kind.
pub fn schema() -> serde_json::Value {
    let kinds: Vec<_> = KINDS.iter().map(|k| k.schema().to_value()).collect();
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Assay job file",
        "oneOf": kinds,
    })
}
