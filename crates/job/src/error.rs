//! What can be wrong with a job file, and with a job that arrives from the network.

use std::path::PathBuf;

use assay_proof::ProgramError;
use thiserror::Error;

use crate::kind::Job;
use crate::price::{Bytes, Price};
use crate::terms::Problem;

/// A job file that cannot become an order; the text says what to change.
#[derive(Debug, Error)]
pub enum JobError {
    /// The file is not TOML, lacks a field or has one too many.
    #[error("{}", .0.to_string().trim_end())]
    Syntax(Box<toml::de::Error>),
    /// `kind` names no kind of job.
    #[error("there is no job kind {found:?}; known kinds: {known}")]
    UnknownKind {
        /// What the file says.
        found: String,
        /// What it may say.
        known: String,
    },
    /// A field holds a value outside its range.
    #[error("{field}: {problem}")]
    Value {
        /// Dotted path of the field, as in the file.
        field: &'static str,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// A file that the job names cannot be read.
    #[error("{field}: cannot read {}", path.display())]
    Unreadable {
        /// Dotted path of the field, as in the file.
        field: &'static str,
        /// Where the file was looked for.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A model cannot be read.
    #[error("{field}: this is no model folder or GGUF file that can be read")]
    Model {
        /// Dotted path of the field, as in the file.
        field: &'static str,
        /// What its reader said.
        source: Box<assay_model::LoadError>,
    },
    /// An adapter cannot be read.
    #[error("{field}: this is no adapter's folder that can be read")]
    Adapter {
        /// Dotted path of the field, as in the file.
        field: &'static str,
        /// What its reader said.
        source: Box<assay_model::LoadError>,
    },
    /// A data set is not what its name says.
    #[error("{field}: {} cannot be used as data", path.display())]
    Data {
        /// Dotted path of the field, as in the file.
        field: &'static str,
        /// Which file.
        path: PathBuf,
        /// What its reader said.
        source: Box<assay_data::DataError>,
    },
    /// A link to a file that is not there.
    #[error(
        "{field}: {} is a link to {}, which does not exist; put the file there, or name the file itself",
        path.display(), target.display()
    )]
    Dangling {
        /// Dotted path of the field, as in the file.
        field: &'static str,
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// An input is larger than the network accepts.
    #[error("{field}: {} holds {bytes} bytes, the limit is {limit}", path.display())]
    TooLarge {
        /// Dotted path of the field, as in the file.
        field: &'static str,
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest size accepted.
        limit: u64,
    },
    /// No network would take the job as an order.
    #[error("{}", one_each(.0))]
    Terms(Vec<Problem>),
    /// A run takes more memory than there is.
    #[error(
        "the job takes {price}, and this machine has {} to give; make training.batch_size or \
         data.sequence_length smaller, hold the model in a shorter form (model.precision), or set \
         training.gradient_checkpointing",
        Bytes(*memory)
    )]
    Memory {
        /// What it takes.
        price: Box<Price>,
        /// What there is, in bytes.
        memory: u64,
    },
    /// The first step cannot be taken.
    #[error("the job cannot begin")]
    FirstStep(#[source] ProgramError),
    /// The first step gives a NaN or infinity.
    #[error("the first step changes nothing: {0}; model, data and adapter do not go together")]
    FirstStepInvalid(String),
    /// A file that the job names does not hold what it should.
    #[error("{field}: {} cannot be used", path.display())]
    Input {
        /// Dotted path of the field, as in the file.
        field: &'static str,
        /// Where it lies.
        path: PathBuf,
        /// What its reader said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Specification and inputs do not fit together.
    #[error("the job's parts do not fit together")]
    Build(#[source] BuildError),
}

/// One problem as it is, several on a line each.
fn one_each(problems: &[Problem]) -> String {
    match problems {
        [one] => one.to_string(),
        all => all.iter().map(|problem| format!("\n  {problem}")).collect(),
    }
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

    pub(crate) fn value(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Value {
            field,
            problem: problem.into(),
        }
    }
}

/// A specification and inputs that no program can be built from.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The specification on the ledger is not the canonical encoding of one.
    #[error("the job specification is not canonical: {0}")]
    Specification(String),
    /// No kind of job has this name.
    #[error("there is no job kind {0:?}")]
    UnknownKind(String),
    /// What an order tells of its model is no model's shape.
    #[error("the order tells of no possible model")]
    Told(#[source] Box<assay_model::LoadError>),
    /// The model is not the one that its order tells of.
    #[error("the order tells of a model with {field} = {told}, and its model's is {found}")]
    OtherModel {
        /// The first size that differs, by its name in `config.json`.
        field: &'static str,
        /// What the order tells.
        told: String,
        /// What the model has.
        found: String,
    },
    /// An input that this kind needs is not there.
    #[error("there is no input named {0:?}")]
    MissingInput(&'static str),
    /// A setting that does not suit the inputs.
    #[error("{field} does not suit the model")]
    Field {
        /// Dotted path of the field, as in the job file.
        field: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No step could be taken, so nothing was learned.
    #[error(
        "none of the {steps} steps could be taken: each gave a NaN or infinity, so nothing was learned"
    )]
    NothingLearned {
        /// How many were tried.
        steps: u64,
    },
    /// The run was to end with its best evaluation, and none gave a number.
    #[error(
        "no evaluation on data.validation gave a number, so there is no best adapter to end with; set load_best_model_at_end = false, or lower learning_rate"
    )]
    NoBest,
    /// A score that is no number.
    #[error("the loss on {name:?} is no number")]
    NoScore {
        /// The input that was scored.
        name: &'static str,
        /// Which operator gave a NaN or infinity.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A score over nothing.
    #[error("no token of {0:?} was counted, so there is no loss")]
    NothingScored(&'static str),
    /// An input does not hold what its name promises.
    #[error("input {name:?} cannot be used")]
    Input {
        /// Which input.
        name: &'static str,
        /// What its reader said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An input is not read: its file was changed, or the disk fails. Another machine, or this one
    /// later, may succeed.
    #[error("input {name:?} could not be read")]
    Unread {
        /// Which input.
        name: &'static str,
        /// What its reader said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The arithmetic settings of this process are unusable.
    #[error("this machine cannot run the kernels")]
    Kernel(#[from] assay_kernel::ConfigError),
    /// This machine or its device failed while it computed; another one may succeed.
    #[error("this machine failed")]
    Machine(#[source] assay_model::InvalidStep),
}

impl BuildError {
    pub(crate) fn field(
        field: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Field {
            field,
            source: source.into(),
        }
    }

    pub(crate) fn input(
        name: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Input {
            name,
            source: source.into(),
        }
    }

    pub(crate) fn unread(
        name: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unread {
            name,
            source: source.into(),
        }
    }

    /// What is wrong with an input that is a model or an adapter.
    pub(crate) fn load(name: &'static str, error: assay_model::LoadError) -> Self {
        match error {
            assay_model::LoadError::Read { .. } => Self::unread(name, error),
            error => Self::input(name, error),
        }
    }
}

/// An error with everything that led to it, what its parent quotes left out.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

impl From<BuildError> for JobError {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<BuildError> for ProgramError {
    fn from(error: BuildError) -> Self {
        let text = chain(&error);
        match error {
            BuildError::Kernel(_) | BuildError::Machine(_) | BuildError::Unread { .. } => {
                Self::Local(text)
            }
            _ => Self::Refused(text),
        }
    }
}
