//! What can go wrong, in words for the person who has to fix it.

use assay_crypto::{Digest, PublicKey};
use assay_job::StoreError;
use assay_model::MethodError;
use assay_proof::ProgramError;
use assay_split::session::{BadClosing, Closing, Why};
use assay_split::{MessageError, SetupError};

use super::terms::Held;
use crate::drive::DriveError;
use crate::transport::{ChannelError, Refusal, RequestError};

/// Why a provider does not take a session.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// Another version of the terms or of the messages.
    #[error(
        "{what} have version {found} with you and {known} here; run the same version of assay on both machines"
    )]
    Version {
        /// What has the version.
        what: &'static str,
        /// Theirs.
        found: u8,
        /// Ours.
        known: u8,
    },
    /// Another arithmetic.
    #[error(
        "you compute by version {found} of the kernel specification and this provider by {known}; run the same version of assay on both machines"
    )]
    KernelSpec {
        /// Theirs.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Projections in another form.
    #[error(
        "the job wants the model's projections in {found} and this provider holds them in {held}; change model.precision, or start it with --precision {found}"
    )]
    Precision {
        /// Theirs.
        found: Held,
        /// Ours.
        held: Held,
    },
    /// Another model.
    #[error(
        "your base model has digest {found} and this provider's {served}; both sides need the same model"
    )]
    Base {
        /// Theirs.
        found: Digest,
        /// Ours.
        served: Digest,
    },
    /// A number that no session has.
    #[error("{what} is {found}; it must be {low} to {high}")]
    Range {
        /// Which.
        what: &'static str,
        /// Theirs.
        found: u64,
        /// Least.
        low: u64,
        /// Most.
        high: u64,
    },
    /// Settings that PrivateLoRA does not have.
    #[error("these are no settings of PrivateLoRA")]
    Method(#[from] MethodError),
    /// The step has no split form.
    #[error("this step cannot be split")]
    Setup(#[from] SetupError),
    /// Another enumeration of the same step.
    #[error(
        "the two programs plan different steps from equal settings; run the same version of assay on both machines"
    )]
    Plan,
    /// Messages of another length than the step has.
    #[error("you announce messages of up to {found} bytes, and this step has {expected}")]
    Longest {
        /// Theirs.
        found: u64,
        /// By the shape of the step.
        expected: u64,
    },
    /// More than this provider carries.
    #[error(
        "a step {what} {found} bytes, and this provider allows {most}; use a smaller batch or shorter sequences, or ask its operator for more"
    )]
    TooMuch {
        /// What for.
        what: &'static str,
        /// How much.
        found: u64,
        /// The most.
        most: u64,
    },
}

/// Why split training stopped.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The session was not opened.
    #[error("no session with provider {peer}")]
    Open {
        /// The provider.
        peer: PublicKey,
        /// Why.
        #[source]
        source: RequestError,
    },
    /// The session broke.
    #[error("the session with the provider broke off")]
    Channel(#[from] ChannelError),
    /// The provider ended the session.
    #[error("provider {peer} ended the session: {}", .closing.text)]
    Closed {
        /// The provider.
        peer: PublicKey,
        /// What it said.
        closing: Closing,
    },
    /// The provider sent something that no honest one sends.
    #[error("provider {peer} broke the split protocol; leave it and go on with another one")]
    Broken {
        /// The provider.
        peer: PublicKey,
        /// What was wrong.
        #[source]
        source: MessageError,
    },
    /// A last message that is none.
    #[error("provider {peer} broke the split protocol; leave it and go on with another one")]
    Malformed {
        /// The provider.
        peer: PublicKey,
        /// What was wrong.
        #[source]
        source: BadClosing,
    },
    /// The provider answered for other terms.
    #[error(
        "provider {peer} agreed to other terms than were offered; leave it and go on with another one"
    )]
    NotAgreed {
        /// The provider.
        peer: PublicKey,
    },
    /// The job is not one that can be split.
    #[error("{0}")]
    Job(String),
    /// The parties could not be set up.
    #[error("this job cannot be split")]
    Setup(#[from] SetupError),
    /// The step cannot be taken here.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The state could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A party could not be driven.
    #[error("the step could not be taken")]
    Drive(#[from] DriveError),
    /// This machine has no randomness to give.
    #[error("the system gives no randomness for masks")]
    Random(#[source] getrandom::Error),
}

impl SplitError {
    /// Whether the same step with a new session may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Open { source, .. } => match source {
                RequestError::Refused { refusal, .. } => *refusal == Refusal::Busy,
                source => source.is_transient(),
            },
            Self::Channel(error) => !matches!(error, ChannelError::TooLarge { .. }),
            Self::Closed { closing, .. } => matches!(closing.why, Why::Silence | Why::Done),
            _ => false,
        }
    }

    /// Whether the provider said or sent something that is not true.
    pub fn is_untrue(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Malformed { .. } | Self::NotAgreed { .. } => true,
            Self::Channel(ChannelError::TooLarge { .. }) => true,
            Self::Open { source, .. } => matches!(
                source,
                RequestError::Malformed { .. } | RequestError::Frame { .. }
            ),
            _ => false,
        }
    }
}
