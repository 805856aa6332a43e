//! An audit of a run: who sits in it, and the leaves that are opened in it.

use assay_crypto::{Digest, EncryptionKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{AccountId, Amount, AuditResults, Height, Ppm, Role, SegmentIndex, StepIndex};

/// A leaf of a trace, and the state that it is of.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Leaf {
    /// Index of the state.
    pub step: StepIndex,
    /// Its leaf.
    pub leaf: Digest,
}

/// One draw of segments for the auditors that took the seats, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Round {
    /// Height of the draw; until then, when its first seat was taken.
    pub at: Height,
    /// The share of the auditors' bonds from which the last of its auditors were drawn, of those that
    /// count (see [`eligible_share`](crate::eligible_share)); none where validators sit in their place.
    pub share: Option<Ppm>,
    /// The distinct segments among those drawn, ascending; none until every seat is taken.
    pub segments: Vec<SegmentIndex>,
    /// The auditors, in the order in which they took their seats.
    pub seats: Vec<Seat>,
    /// Leaf 0 and the leaves at which replays start.
    pub starts: Vec<Leaf>,
    /// The leaves at which drawn segments end, and the last leaf of the run.
    pub ends: Vec<Leaf>,
}

/// One auditor of a round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Seat {
    /// The auditor.
    pub auditor: AccountId,
    /// The role it sits in: an auditor, or a validator where auditors could not be had.
    pub role: Role,
    /// Where grants to the auditor are sealed: its registered key when it accepted.
    pub encryption_key: EncryptionKey,
    /// What is locked of its bond.
    pub bond: Amount,
    /// The digest of its results.
    pub commitment: Option<Digest>,
    /// The results.
    pub results: Option<AuditResults>,
    /// Lost: no commitment, no reveal, or a challenge that was wrong.
    pub slashed: bool,
    /// Let go without pay and without loss: the validators came to no verdict about its challenge.
    pub dismissed: bool,
}

impl Seat {
    /// Whether what it says counts.
    pub fn stands(&self) -> bool {
        !self.slashed && !self.dismissed
    }
}
