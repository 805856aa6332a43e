//! What calls about orders carry.

use assay_crypto::{Digest, merkle};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{AccountId, BoundedVec, Place, Reached, SegmentIndex, StepIndex, Terms};

/// Why a provider gave an order back.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    /// The grant does not open, or is not the key bundle the terms commit to.
    Keys,
    /// An input file is missing or does not hold what the terms say.
    Inputs,
    /// Its machine cannot do it, for instance because the run takes more memory than is free there.
    Unable,
}

/// One leaf of a trace with the path to the trace's root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Opening {
    /// Index of the state.
    pub step: StepIndex,
    /// What its leaf is made of.
    pub reached: Reached,
    /// From the leaf up to the root.
    pub path: merkle::Path,
}

impl Opening {
    /// The leaf.
    pub fn leaf(&self) -> Digest {
        self.reached.leaf(self.step)
    }
}

/// What one auditor found. `None` stands for "what I was granted did not let me begin".
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AuditResults {
    /// Leaf 0, recomputed from the specification.
    pub initial: Option<Digest>,
    /// The end leaf of every drawn segment, in ascending order of segments.
    pub segments: BoundedVec<(SegmentIndex, Option<Digest>), { Terms::MAX_REPLAYED as usize }>,
}

impl AuditResults {
    /// The digest an auditor posts before the provider opens the ends. It binds the auditor and
    /// the audit round, so nobody can post another's commitment and later reveal what the other
    /// revealed.
    pub fn commitment(&self, place: &Place, auditor: AccountId, salt: &Digest) -> Digest {
        // Serialising into memory cannot fail.
        let results = borsh::to_vec(self).unwrap_or_default();
        let parts: [&[u8]; 6] = [
            &place.order.0.0,
            &place.run.0.to_le_bytes(),
            &place.occasion.bytes(),
            &auditor.0,
            &results,
            &salt.0,
        ];
        Digest::of("assay/audit/v2", &parts)
    }

    /// What was found for a segment; `None` when the segment is not listed.
    pub fn segment(&self, segment: SegmentIndex) -> Option<Option<Digest>> {
        self.segments
            .iter()
            .find(|(index, _)| *index == segment)
            .map(|(_, leaf)| *leaf)
    }
}
