//! The list of those who are asked to take part in an order, as it is kept.

use assay_crypto::EncryptionKey;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{AccountId, Height, Ppm, Role};

/// Accounts that were asked to take part in an order, first in rank first.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Asked {
    /// Which of the order's lists.
    pub number: u16,
    /// As what.
    pub role: Role,
    /// How many are needed: the first that accept.
    pub wanted: u8,
    /// For auditors, the share of bonds from which they were drawn: see
    /// [`eligible_share`](crate::eligible_share).
    pub share: Option<Ppm>,
    /// Who was asked, no two of one owner.
    pub ranked: Vec<Invited>,
}

/// One account on a list.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Invited {
    /// The account.
    pub account: AccountId,
    /// Who owned it at the draw.
    pub owner: AccountId,
    /// Where grants to it are sealed if it takes part: its registered key when it accepted, and until
    /// then at the draw.
    pub encryption_key: EncryptionKey,
    /// Its answer, once it has given one.
    pub accepts: Option<bool>,
}

/// What came of a list, kept for whoever asks later.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Answered {
    /// Which of the order's lists.
    pub number: u16,
    /// As what its accounts were asked.
    pub role: Role,
    /// How many were needed.
    pub wanted: u8,
    /// For auditors, the share of bonds from which they were drawn.
    pub share: Option<Ppm>,
    /// Height at which it was drawn.
    pub drawn: Height,
    /// Height at which its window closed.
    pub closed: Height,
    /// Who was asked, first in rank first, with the answer that was given.
    pub answers: Vec<(AccountId, Option<bool>)>,
}
