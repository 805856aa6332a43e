//! What can be wrong with a job file.

use std::path::PathBuf;

use assay_proof::ProgramError;
use thiserror::Error;

use crate::build_error::BuildError;
use crate::bytes::Bytes;
use crate::price::Price;
use crate::problem::Problem;

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
    pub(crate) fn value(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Value {
            field,
            problem: problem.into(),
        }
    }
}

impl From<BuildError> for JobError {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}
