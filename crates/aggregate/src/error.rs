//! Why there is no aggregate.

use crate::settings::BadSettings;
use crate::shape::{BadShape, MAX_WEIGHT};

/// Why there is no aggregate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// Sizes whose sums could overflow.
    #[error(transparent)]
    Shape(#[from] BadShape),
    /// Settings that do not fit the number of updates.
    #[error(transparent)]
    Settings(#[from] BadSettings),
    /// An update of another scale or length than the first.
    #[error("update {update} has another scale or length than update 0; leave it out of the round")]
    Unlike {
        /// Which.
        update: usize,
    },
    /// An update that could not be read.
    #[error(
        "update {update} cannot be read: {reason}; leave it out of the round, or fetch it again"
    )]
    Unreadable {
        /// Which.
        update: usize,
        /// What its reader said.
        reason: String,
    },
    /// A value outside of what the shape promises.
    #[error(
        "coordinate {coordinate} of update {update} is {value}, outside of -{largest} to {largest}; \
         leave the update out of the round"
    )]
    OutOfRange {
        /// Which update.
        update: usize,
        /// Which coordinate.
        coordinate: usize,
        /// What it is.
        value: i32,
        /// The largest magnitude.
        largest: i32,
    },
    /// Weights that do not fit.
    #[error(
        "weights: {0}; there is one for each update, at least 1 and below 2^31, and together at most \
         {MAX_WEIGHT}, so that W (2^(bits-1) - 1) < 2^63: divide all of them by the same number"
    )]
    Weights(&'static str),
}

impl AggregateError {
    /// An update whose bytes are not to be had.
    pub fn unreadable(update: usize, reason: impl Into<String>) -> AggregateError {
        let reason = reason.into();
        AggregateError::Unreadable { update, reason }
    }
}
