//! What can be wrong with a job that arrives from the network.

use assay_proof::ProgramError;
use thiserror::Error;

use crate::bytes::Bytes;

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
    /// A language model's sizes are asked for of a kind that works on none, or are not told of one that
    /// works on one.
    #[error("a {0} job and what is told of a language model do not go together")]
    NoModel(&'static str),
    /// Nobody competes for jobs whose models have no score that is a whole number.
    #[error(
        "models of a {0} job have no score that is a whole number, so nobody can compete for one"
    )]
    NotCompared(&'static str),
    /// A run takes more memory than its order says.
    #[error("a run takes {takes} of memory, and the order says {said}")]
    MoreMemory {
        /// What it takes.
        takes: Bytes,
        /// What the order says.
        said: Bytes,
    },
    /// Every machine refused to run the job, so there is no result.
    #[error(
        "no machine can run this job, so nothing was computed, and the provider was paid for having \
         begun; `assay job check` says what is wrong with it"
    )]
    RefusedByAll,
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
