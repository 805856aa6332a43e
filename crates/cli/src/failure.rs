//! What the user is told when something went wrong.

use std::fmt;

use assay_api::{HttpNodeError, LightError};
use assay_node::{
    files::{StoreError, source::SourceError},
    keys::KeyError,
    logs::LogError,
    transport::BindError,
};
use assay_vault::{UnsealError, download::DownloadError};

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
    /// No node answers.
    Unreachable = 4,
    /// Something told to us is not true.
    Untrue = 5,
}

/// An error with its whole chain of causes and a hint.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    error: anyhow::Error,
    hint: Option<String>,
    /// The result, which is printed already, says so too.
    in_result: bool,
}

impl Failure {
    /// A failure of a kind.
    pub(crate) fn new(kind: Kind, error: impl Into<anyhow::Error>) -> Self {
        Self {
            kind,
            error: error.into(),
            hint: None,
            in_result: false,
        }
    }

    /// A failure of a kind in plain words.
    pub(crate) fn say(kind: Kind, text: impl Into<String>) -> Self {
        Self::new(kind, anyhow::Error::msg(text.into()))
    }

    /// A command line that clap refused: all it says, but for how to ask for help.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        let text = error.to_string();
        let said = text.lines().map(str::trim);
        let said =
            said.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
        let text = said.collect::<Vec<_>>().join("; ");
        let text = text.strip_prefix("error: ").unwrap_or(&text).to_owned();
        Self::say(Kind::Usage, text).hint("see `assay --help`")
    }

    /// Adds what the user can do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says that the command's result, which is printed, tells of it: a program that reads one object needs no other.
    pub(crate) fn in_result(mut self) -> Self {
        self.in_result = true;
        self
    }

    /// Whether the command's result tells of it.
    pub(crate) fn is_in_result(&self) -> bool {
        self.in_result
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.kind as u8
    }

    /// The hint, where there is one.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    /// Every cause, outermost first, without repeating one that its parent quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&assay_api::told(self.error.as_ref()))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Kind::Failed, error)
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

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        Self::new(Kind::Failed, error)
    }
}

impl From<HttpNodeError> for Failure {
    fn from(error: HttpNodeError) -> Self {
        match &error {
            HttpNodeError::BadUrl(_) => Self::new(Kind::Usage, error),
            HttpNodeError::Silent(_) => Self::new(Kind::Unreachable, error).hint(
                "the node may be stopped (SIGSTOP) or overloaded: look at its machine, or ask \
                 another node with --node URL",
            ),
            HttpNodeError::Unreachable { .. } => Self::new(Kind::Unreachable, error)
                .hint("start a network with `assay devnet`, or name a node with --node URL"),
            HttpNodeError::Malformed { .. } => Self::new(Kind::Unreachable, error)
                .hint("name the address of a node's `http` setting with --node URL"),
            HttpNodeError::Refused { status, body } => {
                let kind = if *status == 404 {
                    Kind::NotFound
                } else {
                    Kind::Failed
                };
                let hint = body.hint.clone();
                let failure = Self::new(kind, error);
                if hint.is_empty() {
                    failure
                } else {
                    failure.hint(hint)
                }
            }
        }
    }
}

impl From<LightError> for Failure {
    fn from(error: LightError) -> Self {
        let kind = match error {
            LightError::Node(error) => return error.into(),
            LightError::Malformed(..) | LightError::Untrue(..) => {
                return Self::new(Kind::Untrue, error).hint("ask another node with --node URL");
            }
            LightError::Stale { .. } => {
                return Self::new(Kind::Untrue, error).hint(
                    "compare this machine's clock with another's, or ask another node with \
                     --node URL",
                );
            }
            LightError::Late(transaction, ..) => {
                return Self::new(Kind::Failed, error).hint(format!(
                    "look for it with `assay why {transaction}` before repeating it"
                ));
            }
            LightError::Clock { .. } => Kind::Untrue,
            LightError::Genesis(_) => Kind::Usage,
            LightError::NotProvable
            | LightError::Damaged(_)
            | LightError::Refused(..)
            | LightError::Pointless(..)
            | LightError::Unaffordable { .. } => Kind::Failed,
        };
        Self::new(kind, error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Kind::Failed, error)
    }
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        let kind = match error {
            DownloadError::Missing { .. } => Kind::Unreachable,
            DownloadError::Unseal(UnsealError::Sink(_)) => Kind::Failed,
            DownloadError::Unseal(_) => Kind::Untrue,
        };
        Self::new(kind, error)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let kind = match &error {
            SourceError::Unreadable { source, .. }
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Kind::NotFound
            }
            SourceError::Unreadable { .. } | SourceError::Changed { .. } => Kind::Failed,
            _ => Kind::Usage,
        };
        Self::new(kind, error)
    }
}
