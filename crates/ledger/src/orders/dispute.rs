//! A dispute between a provider and whoever challenges it: its record.

use assay_crypto::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{AccountId, Height, Leaf, Moment, Place, RunIndex, SegmentIndex, StepIndex};

/// What a dispute is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Is leaf 0 what the specification gives? Validators attest the leaf 0 they compute.
    Initial,
    /// Could the challenger have begun at `from`? Validators attest the provider's leaf there if
    /// the grant to the challenger and the stored state were good, else what they found, or
    /// `None`.
    Start,
    /// Which leaf follows at `disputed` from the agreed one? Validators replay.
    Step,
    /// Does the result file hold the final state? Validators attest the last leaf if it does, and a leaf of zeros
    /// if it holds something else.
    Result,
    /// Could a provider that gives its run back have begun it? Validators attest the leaf 0 they compute if
    /// the requester's grant to it was good and the inputs are what the terms say, else `None`.
    Beginning,
}

/// A difference between the provider and a challenger.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Dispute {
    /// Its number in the order.
    pub number: u16,
    /// The run that is challenged.
    pub run: RunIndex,
    /// An auditor; about the result, the requester; or the provider of another run.
    pub challenger: AccountId,
    /// The challenger's own run, where it is a provider: its leaves are shown to lie under that
    /// run's root, as the challenged provider's under its own.
    pub rival: Option<RunIndex>,
    /// What it is about.
    pub question: Question,
    /// Height at which it was opened.
    pub opened: Height,
    /// The segment in question; for `Result` the last one.
    pub segment: SegmentIndex,
    /// Where replay starts: a step with a checkpoint, and its leaf, which both accept.
    pub from: Leaf,
    /// The last step on which both agree.
    pub agreed: Leaf,
    /// Steps between two checkpoints.
    pub segment_steps: u32,
    /// The first step on which they differ, with the provider's leaf.
    pub disputed: Leaf,
    /// The challenger's leaf at that step; `None` when it could not begin.
    pub claimed: Option<Digest>,
    /// The provider's leaf in the middle, in this round of the bisection.
    pub provider_move: Option<Digest>,
    /// The challenger's.
    pub challenger_move: Option<Digest>,
    /// Who could not get what, when validators first looked. Where something stands here they look again,
    /// and who has to show it has had another chance.
    pub named: Vec<Attestation>,
    /// What validators committed to having found, in the order in which it came.
    pub commitments: Vec<FindingCommitment>,
    /// When as many had committed as a verdict takes, if so many did: since then findings are revealed.
    pub closed: Option<Moment>,
    /// What validators attested.
    pub attestations: Vec<Attestation>,
    /// How it ended.
    pub verdict: Option<Verdict>,
}

impl Dispute {
    /// The step about which both parties speak next, while they are more than one step apart: the
    /// middle one among those with a checkpoint, as long as there are any between them.
    pub fn middle(&self) -> Option<StepIndex> {
        let (low, high) = (self.agreed.step.0, self.disputed.step.0);
        if high.saturating_sub(low) <= 1 {
            return None;
        }
        let length = u64::from(self.segment_steps.max(1));
        let (first, last) = (low / length + 1, (high - 1) / length);
        Some(StepIndex(match first <= last {
            true => (first + (last - first) / 2) * length,
            false => low + (high - low) / 2,
        }))
    }
}

/// A finding that its validator has committed to without showing it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct FindingCommitment {
    /// The validator.
    pub validator: AccountId,
    /// See [`Attestation::commitment`].
    pub commitment: Digest,
}

/// One validator's finding.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Attestation {
    /// The validator.
    pub validator: AccountId,
    /// What it found.
    pub found: Finding,
}

/// What a validator found.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The leaf at the disputed step.
    Leaf(Digest),
    /// This could not be had, or not opened.
    Missing(Piece),
}

impl Finding {
    /// The leaf, if it found one.
    pub fn leaf(&self) -> Option<Digest> {
        match self {
            Finding::Leaf(leaf) => Some(*leaf),
            Finding::Missing(_) => None,
        }
    }

    /// The piece that was missing, if it found none.
    pub fn missing(&self) -> Option<Piece> {
        match self {
            Finding::Leaf(_) => None,
            Finding::Missing(piece) => Some(*piece),
        }
    }
}

/// Something that has to be shown to validators.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// Keys that open inputs and state.
    Keys,
    /// An input, by its place in the terms.
    Input(u8),
    /// The state at the start of a segment; one past the last is the result.
    State(SegmentIndex),
}

impl Attestation {
    /// What the validator posts before anybody shows a finding. It binds the validator and the dispute, so
    /// nobody can post another's commitment and later reveal what the other revealed.
    pub fn commitment(&self, place: &Place, salt: &Digest) -> Digest {
        // Serialising into memory cannot fail.
        let found = borsh::to_vec(&self.found).unwrap_or_default();
        let parts: [&[u8]; 6] = [
            &place.order.0.0,
            &place.run.0.to_le_bytes(),
            &place.occasion.bytes(),
            &self.validator.0,
            &found,
            &salt.0,
        ];
        Digest::of("assay/finding/v1", &parts)
    }
}

/// How a dispute ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The provider was right.
    Provider,
    /// The challenger was right.
    Challenger,
    /// Neither was.
    Neither,
    /// The validators came to no quorum in time.
    None,
}
