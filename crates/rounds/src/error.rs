//! What can be wrong with a specification, a trainer's round and the bytes of an update.

use assay_aggregate::{BadSettings, DecodeError, QuantiseError};
use assay_crypto::Digest;
use assay_estimator::{SpecError, TrainError};

/// Why a specification of rounds makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpecProblem {
    /// The bytes are none.
    #[error("these bytes are no specification of rounds: {0}")]
    Bytes(String),
    /// The model or its training.
    #[error(transparent)]
    Learning(#[from] SpecError),
    /// The scale of updates.
    #[error("`quantiser` cannot be")]
    Quantiser(#[from] QuantiseError),
    /// The rule does not stand with every number of updates that may be merged.
    #[error(
        "`aggregation` does not stand with every number of updates from `quorum` on; raise `quorum`"
    )]
    Aggregation(#[from] BadSettings),
    /// Late updates that follow from those before them.
    #[error(
        "an update that is not sent whole follows from those that counted before it, so none may come late; \
         set `age.most` to 0, or `encoding` to \"dense\""
    )]
    Late,
    /// Late updates of which nothing is left.
    #[error(
        "nothing is left of an update that is {most} rounds old; raise `age.decay`, or lower `age.most`"
    )]
    Decay {
        /// The most rounds.
        most: u32,
    },
    /// A number is not possible.
    #[error("`{name}` is {found}, and must be from {least} to {most}")]
    Size {
        /// Which one.
        name: &'static str,
        /// What it is.
        found: u64,
        /// The least possible.
        least: u64,
        /// The most possible.
        most: u64,
    },
    /// Single updates that follow from others.
    #[error(
        "an update that is not sent whole follows from those before it; look at all updates of some trainers"
    )]
    Look,
    /// The rate of the model is not possible.
    #[error("`server_rate` is {0}, and must be above 0 and at most 1000")]
    ServerRate(f32),
}

/// Why a trainer has no update to send. Nothing is sent in its place.
#[derive(Debug, thiserror::Error)]
pub enum NoUpdate {
    /// Rows or model do not go together.
    #[error("the trainer cannot work")]
    Train(#[from] TrainError),
    /// None of its steps could be taken.
    #[error(
        "none of {steps} steps could be taken, the last because {fault}; there is nothing to send"
    )]
    NothingLearned {
        /// How many.
        steps: u64,
        /// Why not.
        fault: String,
    },
    /// The difference does not fit the scale that was agreed on.
    #[error("the update does not fit what was agreed on; nothing is sent, and nothing was clipped")]
    Quantise(#[from] QuantiseError),
    /// There is nothing that could be sent.
    #[error("the update cannot be written down")]
    Bytes(#[from] DecodeError),
    /// What the trainer had left unsent is of another model.
    #[error(
        "what was left unsent has {found} values, and the model has {wanted}; it was kept for another federation"
    )]
    Unsent {
        /// Values.
        found: usize,
        /// Parameters.
        wanted: usize,
    },
}

/// Why bytes are no update of this federation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UpdateFault {
    /// They begin otherwise.
    #[error("these bytes are no update")]
    NotAnUpdate,
    /// Another version.
    #[error("the update is of version {0}, and version 1 is read")]
    Version(u8),
    /// Sent in another way than was agreed on.
    #[error("the update is sent in another way than was agreed on")]
    Encoding,
    /// Another scale.
    #[error("the update has {bits} bits and exponent {exponent}, another scale than was agreed on")]
    Scale {
        /// As told.
        bits: u8,
        /// As told.
        exponent: i8,
    },
    /// Another number of coordinates than the model has.
    #[error("the update has {found} coordinates, and the model has {wanted}")]
    Coordinates {
        /// As told.
        found: usize,
        /// Parameters.
        wanted: usize,
    },
    /// Another number of coordinates than are to be sent.
    #[error("the update sends {found} coordinates, and {wanted} were agreed on")]
    Kept {
        /// As told.
        found: usize,
        /// The share that was agreed on.
        wanted: usize,
    },
    /// Coordinates out of order, twice, or beyond the model.
    #[error("place {0} of the coordinates that are sent is out of order, or beyond the model")]
    Order(usize),
    /// Bytes missing, or too many.
    #[error("the update has {found} bytes, and must have {wanted}; fetch it again")]
    Length {
        /// As they are.
        found: usize,
        /// As the head tells.
        wanted: usize,
    },
    /// Bits behind the last coordinate that are not zero, signs of nothing, or a magnitude below zero.
    #[error("the signs of the update are not in their one encoding")]
    Signs,
    /// Its values are not as they must be.
    #[error("its values cannot be read")]
    Values(#[from] DecodeError),
    /// It is of another model than its round began with.
    #[error(
        "it was made on {found}, and its round began with {wanted}: it is of another federation, or lies"
    )]
    Base {
        /// As told.
        found: Digest,
        /// The model of that round.
        wanted: Digest,
    },
}

/// Why bytes are no federation, or no audit of one.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// They are none.
    #[error("these bytes are no state of rounds: {0}")]
    Bytes(String),
    /// Another version.
    #[error("the state is of version {0}, and version 1 is read")]
    Version(u8),
    /// The specification makes no sense.
    #[error("its specification cannot be used")]
    Spec(#[from] SpecProblem),
    /// The model cannot be read.
    #[error("its model cannot be read")]
    Model(#[from] TrainError),
    /// They were altered.
    #[error("they were altered since they were written; go on from another copy, or begin anew")]
    Altered,
    /// A model alone does not tell what a round follows from.
    #[error(
        "updates of earlier models count, so a round follows from more than its model; set `age.most` to 0"
    )]
    Remembers,
    /// There is no such round.
    #[error("there is no round {round}; they are counted from 0, and there are {rounds}")]
    NoRound {
        /// As told.
        round: u64,
        /// As agreed on.
        rounds: u64,
    },
    /// A state that no round before left.
    #[error(
        "it is no model that round {round} can begin with: one is at rest, and counts the steps of whole \
         rounds before"
    )]
    NotAtRest {
        /// The round.
        round: u64,
    },
    /// Parts that were not saved together.
    #[error("its parts do not go together; go on from another copy, or begin anew")]
    Parts,
}
