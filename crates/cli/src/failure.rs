//! What the user is told when something went wrong.

use std::fmt;

use assay_node::{keys::KeyError, logs::LogError};
use serde::Serialize;

/// Kinds of failure; their numbers are the program's exit codes and part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The command could not be carried out.
    Failed = 1,
    /// The command line or a file given to it is wrong.
    Usage = 2,
    /// The thing asked for does not exist.
    NotFound = 3,
}

/// An error with its whole chain of causes and a hint.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    error: anyhow::Error,
    hint: Option<String>,
}

/// The shape of a failure under `--json`.
#[derive(Serialize)]
pub(crate) struct Report {
    error: String,
    hint: String,
}

impl Failure {
    /// A failure of a kind.
    pub(crate) fn new(kind: Kind, error: impl Into<anyhow::Error>) -> Self {
        Self {
            kind,
            error: error.into(),
            hint: None,
        }
    }

    /// A command line that clap refused.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        let first = first.strip_prefix("error: ").unwrap_or(first).to_owned();
        Self::new(Kind::Usage, anyhow::Error::msg(first)).hint("see `assay --help`")
    }

    /// Adds what the user can do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.kind as u8
    }

    /// The hint, where there is one.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The JSON form.
    pub(crate) fn report(&self) -> Report {
        Report {
            error: self.to_string(),
            hint: self.hint.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Failure {
    /// Every cause, outermost first, without repeating one that its parent quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = String::new();
        for cause in self.error.chain() {
            let text = cause.to_string();
            if told.is_empty() {
                told = text;
            } else if !told.contains(&text) {
                told = format!("{told}: {text}");
            }
        }
        f.write_str(&told)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let kind = match error {
            KeyError::Missing(_) => Kind::NotFound,
            KeyError::Io { .. } => Kind::Failed,
            _ => Kind::Usage,
        };
        Self::new(kind, error)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::new(Kind::Usage, error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Kind::Failed, error)
    }
}
