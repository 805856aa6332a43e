//! What may be asked about orders.

use assay_crypto::custody::KeyShare;
use assay_crypto::release::{LockKey, Release, Shown};
use assay_crypto::{Digest, merkle};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::carried::{AuditResults, DeclineReason, Opening};
use crate::{
    AccountId, Bits, BoundedVec, Contradiction, Counts, CustodyPoints, FileId, Finding, OrderId,
    Place, Scores, SealedKeys, SealedShare, StepIndex, Terms,
};

/// A request about an order. What is a move in one run of an order names its [`Place`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderCall {
    /// Posts an order and pays price and auditors' fees into escrow.
    Post(Box<Terms>),
    /// The requester withdraws an order that no provider has been granted.
    Cancel {
        /// The order.
        order: OrderId,
    },
    /// The requester is content and ends the complaint window.
    Accept {
        /// The order.
        order: OrderId,
    },
    /// The requester says that the result file cannot be had, or does not hold the accepted final state, and
    /// has the validators look.
    Complain {
        /// The order.
        order: OrderId,
    },
    /// Hands keys to another party, sealed to its encryption key. Once for each pair of parties
    /// and place, so that nobody can hand over rubbish first and the right keys later.
    Grant {
        /// What they are for.
        place: Place,
        /// Who can open them.
        grantee: AccountId,
        /// The sealed keys.
        sealed: SealedKeys,
    },
    /// An account that was asked says whether it takes part.
    Answer {
        /// The list it is on.
        place: Place,
        /// Whether it does. To decline costs nothing.
        accept: bool,
    },
    /// The provider of a run gives it back.
    Decline {
        /// The run's work.
        place: Place,
        /// Why.
        reason: DeclineReason,
    },
    /// The provider commits to its run.
    CommitTrace {
        /// The run's work.
        place: Place,
        /// Merkle root of the `steps + 1` leaves.
        root: Digest,
        /// The states at which each segment starts, one file per segment.
        checkpoints: BoundedVec<FileId, 1024>,
        /// The final state.
        result: FileId,
        /// What the steps came to.
        counts: Counts,
        /// The first invalid step, if any was.
        first_invalid: Option<StepIndex>,
        /// Binds the provider to the key under which all these states are encrypted.
        lock: LockKey,
    },
    /// The provider of one of several runs commits to it without showing it.
    CommitRun {
        /// The run's work.
        place: Place,
        /// The commitment: see [`Trace::commitment`](crate::Trace::commitment).
        commitment: Digest,
    },
    /// The provider reveals the run that it committed to.
    RevealRun {
        /// The run's work.
        place: Place,
        /// Merkle root of the `steps + 1` leaves.
        root: Digest,
        /// The states at which each segment starts, one file per segment.
        checkpoints: BoundedVec<FileId, 1024>,
        /// The final state.
        result: FileId,
        /// The first invalid step, if any was.
        first_invalid: Option<StepIndex>,
        /// Binds the provider to the key under which all these states are encrypted.
        lock: LockKey,
        /// The salt of the commitment.
        salt: Digest,
        /// Leaf 0 and the last leaf.
        openings: BoundedVec<Opening, 2>,
    },
    /// The provider opens leaf 0 and the leaves at [`Run::starts`](crate::Run::starts).
    OpenStarts {
        /// The audit round.
        place: Place,
        /// In ascending order of steps.
        openings: BoundedVec<Opening, 80>,
    },
    /// An auditor commits to its results: see [`AuditResults::commitment`].
    CommitAudit {
        /// The audit round.
        place: Place,
        /// The commitment.
        commitment: Digest,
    },
    /// The provider opens the leaves at [`Run::ends`](crate::Run::ends).
    OpenEnds {
        /// The audit round.
        place: Place,
        /// In ascending order of steps.
        openings: BoundedVec<Opening, 80>,
    },
    /// An auditor reveals the results it committed to.
    RevealAudit {
        /// The audit round.
        place: Place,
        /// The results.
        results: AuditResults,
        /// The salt of the commitment.
        salt: Digest,
    },
    /// A party of a dispute states its leaf at [`Dispute::middle`](crate::Dispute::middle).
    Bisect {
        /// The dispute.
        place: Place,
        /// The step it speaks of.
        step: StepIndex,
        /// The leaf.
        leaf: Digest,
        /// Whoever committed to a run shows that the leaf is under its root; an auditor has none.
        path: Option<merkle::Path>,
    },
    /// The provider of a run that stands releases the key of its states to the requester.
    Deliver {
        /// The run's work.
        place: Place,
        /// The key behind the run's [`Trace::lock`](crate::Trace::lock), for [`Terms::delivery_key`].
        release: Release,
    },
    /// A validator says what it found at the disputed step.
    Attest {
        /// The dispute.
        place: Place,
        /// The leaf, or what of the evidence could not be had or opened.
        found: Finding,
        /// The salt of its commitment; `None` for a validator that did not commit in time.
        salt: Option<Digest>,
    },
    /// A validator commits to what it found at the disputed step, while nobody can know of another what it
    /// found: see [`Attestation::commitment`](crate::Attestation::commitment).
    CommitFinding {
        /// The dispute.
        place: Place,
        /// The commitment.
        commitment: Digest,
    },
    /// The requester shows that the result file does not hold the accepted final state, which ends the run at
    /// once.
    Contradict {
        /// The run's work.
        place: Place,
        /// The key that was released to it, with a proof.
        shown: Shown,
        /// Where the file contradicts itself.
        contradiction: Box<Contradiction>,
    },
    /// An account takes part in an order with rounds as a trainer: its bond is locked until it leaves.
    Join {
        /// The order.
        order: OrderId,
        /// The file of its rows, which it has recorded.
        rows: FileId,
        /// Digest of the rows.
        content: Digest,
    },
    /// A trainer takes part no more: at once, or from the end of the round on in which it has sent an update.
    Leave {
        /// The order.
        order: OrderId,
    },
    /// A trainer commits to its steps of a round, and to the update that they give.
    CommitUpdate {
        /// The round.
        place: Place,
        /// Merkle root of the `steps + 1` leaves.
        root: Digest,
        /// The states at which each segment starts, one file per segment.
        checkpoints: BoundedVec<FileId, 1024>,
        /// The file of the last state, which is the update: everybody can read it.
        update: FileId,
        /// The first invalid step, if any was.
        first_invalid: Option<StepIndex>,
        /// Binds the trainer to a key, as that of a provider's result.
        lock: LockKey,
        /// Leaf 0 and the last leaf.
        openings: BoundedVec<Opening, 2>,
    },
    /// A validator says which updates of a round it holds: it has their bytes, and they are what their
    /// trainers committed to.
    Hold {
        /// The round.
        place: Place,
        /// The trainers, by their numbers.
        updates: Bits,
    },
    /// A validator says what the updates of a round make of the model.
    AttestModel {
        /// The round.
        place: Place,
        /// The file of the next model, which everybody can read.
        file: FileId,
        /// Digest of what is in it.
        content: Digest,
        /// Whose record of the file says where it lies: its own, or that of a validator whose file it found to
        /// be the same.
        keeper: AccountId,
    },
    /// The requester of a contest deals the key of its test set to the validators.
    DealKey {
        /// The contest.
        place: Place,
        /// The encryption keys of the validators that it is dealt under: see [`Custody::name_of`](crate::Custody::name_of).
        under: Digest,
        /// What fixes the key and every share.
        points: CustodyPoints,
        /// A share for each validator, in ascending order of their accounts.
        sealed: BoundedVec<SealedShare, 64>,
    },
    /// A validator says whether the share that was dealt to it is good.
    CheckShare {
        /// The contest.
        place: Place,
        /// Whether it opens, and is the one that the points fix.
        good: bool,
    },
    /// An account takes part in a contest as a provider: its bond is locked until the end.
    Claim {
        /// The order.
        order: OrderId,
    },
    /// A validator shows its share of a contest's test set to everybody.
    OpenShare {
        /// The contest.
        place: Place,
        /// The share.
        share: KeyShare,
    },
    /// A validator reveals the scores that it committed to.
    RevealScores {
        /// The contest, or the claim that is scored once more.
        place: Place,
        /// The scores.
        scores: Scores,
        /// The salt of its commitment; `None` for a validator that did not commit in time.
        salt: Option<Digest>,
    },
    /// Somebody with a bond doubts a score, with a deposit.
    ChallengeScore {
        /// The claim.
        place: Place,
        /// What the score should be.
        score: Option<u64>,
    },
}

impl OrderCall {
    /// The call's name as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            OrderCall::Post(_) => "post_order",
            OrderCall::Cancel { .. } => "cancel_order",
            OrderCall::Accept { .. } => "accept",
            OrderCall::Complain { .. } => "complain",
            OrderCall::Grant { .. } => "grant",
            OrderCall::Answer { .. } => "answer",
            OrderCall::Decline { .. } => "decline",
            OrderCall::CommitTrace { .. } => "commit_trace",
            OrderCall::CommitRun { .. } => "commit_run",
            OrderCall::RevealRun { .. } => "reveal_run",
            OrderCall::OpenStarts { .. } => "open_starts",
            OrderCall::CommitAudit { .. } => "commit_audit",
            OrderCall::OpenEnds { .. } => "open_ends",
            OrderCall::RevealAudit { .. } => "reveal_audit",
            OrderCall::Bisect { .. } => "bisect",
            OrderCall::Deliver { .. } => "deliver",
            OrderCall::Attest { .. } => "attest",
            OrderCall::CommitFinding { .. } => "commit_finding",
            OrderCall::Contradict { .. } => "contradict",
            OrderCall::Join { .. } => "join",
            OrderCall::Leave { .. } => "leave",
            OrderCall::CommitUpdate { .. } => "commit_update",
            OrderCall::Hold { .. } => "hold",
            OrderCall::AttestModel { .. } => "attest_model",
            OrderCall::DealKey { .. } => "deal_key",
            OrderCall::CheckShare { .. } => "check_share",
            OrderCall::Claim { .. } => "claim",
            OrderCall::OpenShare { .. } => "open_share",
            OrderCall::RevealScores { .. } => "reveal_scores",
            OrderCall::ChallengeScore { .. } => "challenge_score",
        }
    }

    /// The order that the call is about, if it is about one that exists already.
    pub fn order(&self) -> Option<OrderId> {
        match self {
            OrderCall::Post(_) => None,
            OrderCall::Cancel { order }
            | OrderCall::Accept { order }
            | OrderCall::Complain { order }
            | OrderCall::Join { order, .. }
            | OrderCall::Leave { order }
            | OrderCall::Claim { order } => Some(*order),
            _ => self.place().map(|place| place.order),
        }
    }

    /// Where a move counts; `None` for what is about the order as a whole.
    pub fn place(&self) -> Option<Place> {
        match self {
            OrderCall::Post(_)
            | OrderCall::Cancel { .. }
            | OrderCall::Accept { .. }
            | OrderCall::Complain { .. }
            | OrderCall::Join { .. }
            | OrderCall::Leave { .. }
            | OrderCall::Claim { .. } => None,
            OrderCall::Grant { place, .. }
            | OrderCall::Answer { place, .. }
            | OrderCall::Decline { place, .. }
            | OrderCall::CommitTrace { place, .. }
            | OrderCall::CommitRun { place, .. }
            | OrderCall::RevealRun { place, .. }
            | OrderCall::OpenStarts { place, .. }
            | OrderCall::CommitAudit { place, .. }
            | OrderCall::OpenEnds { place, .. }
            | OrderCall::RevealAudit { place, .. }
            | OrderCall::Bisect { place, .. }
            | OrderCall::Deliver { place, .. }
            | OrderCall::Attest { place, .. }
            | OrderCall::CommitFinding { place, .. }
            | OrderCall::Contradict { place, .. }
            | OrderCall::CommitUpdate { place, .. }
            | OrderCall::Hold { place, .. }
            | OrderCall::AttestModel { place, .. }
            | OrderCall::DealKey { place, .. }
            | OrderCall::CheckShare { place, .. }
            | OrderCall::OpenShare { place, .. }
            | OrderCall::RevealScores { place, .. }
            | OrderCall::ChallengeScore { place, .. } => Some(*place),
        }
    }
}
