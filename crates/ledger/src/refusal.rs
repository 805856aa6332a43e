//! Why a call took no effect.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{AccountRefusal, FileRefusal, OrderRefusal};

/// Why a call took no effect, in words its sender can act on.
#[derive(
    Clone, Debug, PartialEq, Eq, Error, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(untagged)]
pub enum Refusal {
    /// For a reason that lies in an account or its money.
    #[error(transparent)]
    Account(#[from] AccountRefusal),
    /// For a reason that lies in a file or its record.
    #[error(transparent)]
    File(#[from] FileRefusal),
    /// For a reason that lies in an order.
    #[error(transparent)]
    Order(#[from] OrderRefusal),
}
