//! What can go wrong.

use assay_kernel::EnvironmentError;
use assay_model::{Input, InvalidStep, ShapeError};

/// Why a party cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The batch cannot be computed.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A graph that has no split form.
    #[error("this purpose has no split form; use a training step, a loss or logits")]
    Purpose,
    /// A tensor that the provider must not have.
    #[error("{0:?} must stay with the requester; leave it out of the provider's tensors")]
    NotForProvider(Input),
    /// A tensor is missing or has another length.
    #[error("{0:?} is missing or has another shape; load the tensors of this model and adapter")]
    Missing(Input),
    /// Base, adapter and split do not belong together.
    #[error("the model or the adapter differs from the one that the split was made for")]
    OtherModel,
    /// A base that computes in integers.
    #[error(
        "precision w8a8 rounds whole rows at once and is not computed by two parties; use \
         float32, bfloat16, int8 or nf4"
    )]
    Precision,
    /// The state does not fit.
    #[error(transparent)]
    State(#[from] InvalidStep),
    /// A matrix too wide for an exact sum.
    #[error("a frozen product sums over {inner} values, and the fixed point is exact up to {most}")]
    TooWide {
        /// Values in the longest sum.
        inner: usize,
        /// The most.
        most: usize,
    },
    /// A method whose frozen layers are more than products.
    #[error("{0} is not computed in masked mode; use PrivateLoRA, or LoRA without dropout")]
    NotMasked(&'static str),
    /// A weight that is no number.
    #[error("a frozen matrix holds a NaN or infinity; the model's files are damaged")]
    NotFinite,
}

/// Why a message was refused. Whoever refuses it is left as it was, so the right message can still
/// come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Shorter than a header.
    #[error("a message of {0} bytes is shorter than its header")]
    TooShort(usize),
    /// Something else.
    #[error("these bytes are no message of the split protocol")]
    NotAMessage,
    /// Another version.
    #[error("split protocol version {0} is unknown; this program speaks version 1")]
    Version(u8),
    /// An unknown or unexpected kind, or a reserved byte that is not zero.
    #[error("message kind {0} is unknown or comes from the wrong party")]
    Kind(u8),
    /// The bytes end early or late.
    #[error("the header announces {announced} values, and {found} bytes follow it")]
    Length {
        /// Values according to the header.
        announced: u32,
        /// Bytes behind the header.
        found: usize,
    },
    /// A NaN or infinity.
    #[error("value {0} of the message is a NaN or infinity")]
    NotFinite(usize),
    /// A message of another exchange: replayed, or ahead of its time.
    #[error("the message belongs to exchange {found}, and this is exchange {expected}")]
    Exchange {
        /// In the message.
        found: u64,
        /// Here.
        expected: u64,
    },
    /// A tensor that is not the next one: repeated, left out, or never sent.
    #[error("the message holds tensor {found}, and tensor {expected} comes next")]
    Tensor {
        /// In the message.
        found: u32,
        /// The next one.
        expected: u32,
    },
    /// The right tensor with another length.
    #[error("the tensor has {found} values instead of {expected}")]
    Values {
        /// In the message.
        found: usize,
        /// By the shape of the step.
        expected: usize,
    },
    /// Nothing is awaited.
    #[error("no message is awaited now")]
    NotAwaited,
    /// A message to or from the other provider.
    #[error("the message concerns provider {found}, and provider {expected} was meant")]
    Provider {
        /// In the message.
        found: u8,
        /// The right one.
        expected: u8,
    },
    /// A matrix that is not held, or not the one asked for.
    #[error("matrix {0} is not held here or was not asked for")]
    Matrix(u32),
    /// A second answer of the same provider.
    #[error("provider {0} has answered already")]
    Answered(u8),
}

/// Why a step cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A message was refused; nothing changed.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The step is invalid. The exchange is stuck: abandon it. The training state is as before.
    #[error(transparent)]
    Invalid(#[from] InvalidStep),
    /// An exchange is under way.
    #[error("exchange {0} is under way; finish or abandon it first")]
    Busy(u64),
    /// No address for fresh shares is left.
    #[error("every address of the masking key is used; start again with a fresh key")]
    Exhausted,
}

impl From<EnvironmentError> for StepError {
    fn from(error: EnvironmentError) -> Self {
        Self::Invalid(error.into())
    }
}
