//! What a transaction can ask for.

use assay_crypto::{Digest, EncryptionKey, merkle};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Amount, BoundedString, BoundedVec, FileId, FileRecord, OrderId, Role, SealedKeys,
    SegmentIndex, StepIndex, Terms,
};

/// One request to the ledger. Who may make it, and when, is in `docs/ledger.md`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Moves money to another account.
    Transfer {
        /// The receiver.
        to: AccountId,
        /// How much.
        amount: Amount,
    },
    /// Offers a role, or adds to the bond and renews key and address of one offered already.
    Register {
        /// The role.
        role: Role,
        /// Moved from the balance to the bond.
        bond: Amount,
        /// Where grants to this account are sealed.
        encryption_key: EncryptionKey,
        /// Where peers reach it.
        address: BoundedString<256>,
    },
    /// Gives up a role. What is not locked unbonds at once, the rest when its orders end.
    Unregister {
        /// The role.
        role: Role,
    },
    /// Records a file that storage nodes hold; the owner may record it again to move it.
    PutFile(Box<FileRecord>),
    /// Posts an order and pays price and auditors' fees into escrow.
    PostOrder(Box<Terms>),
    /// The requester withdraws an order that no provider has been granted.
    CancelOrder {
        /// The order.
        order: OrderId,
    },
    /// Hands keys to another party, sealed to its encryption key. Once for each pair of parties
    /// and occasion, so that nobody can hand over rubbish first and the right keys later.
    Grant {
        /// The order.
        order: OrderId,
        /// Who can open it.
        grantee: AccountId,
        /// The sealed keys.
        sealed: SealedKeys,
    },
    /// The assigned provider gives the order back because it cannot be done as posted.
    Decline {
        /// The order.
        order: OrderId,
        /// Why.
        reason: DeclineReason,
    },
    /// The provider commits to its run.
    CommitTrace {
        /// The order.
        order: OrderId,
        /// Merkle root of the `steps + 1` leaves.
        root: Digest,
        /// The states at which each segment starts, one file per segment.
        checkpoints: BoundedVec<FileId, 1024>,
        /// The final state.
        result: FileId,
    },
    /// The provider opens leaf 0 and the leaves at [`Order::starts`](crate::Order::starts).
    OpenStarts {
        /// The order.
        order: OrderId,
        /// In ascending order of steps.
        openings: BoundedVec<Opening, 80>,
    },
    /// An auditor commits to its results: see [`AuditResults::commitment`].
    CommitAudit {
        /// The order.
        order: OrderId,
        /// The commitment.
        commitment: Digest,
    },
    /// The provider opens the leaves at [`Order::ends`](crate::Order::ends).
    OpenEnds {
        /// The order.
        order: OrderId,
        /// In ascending order of steps.
        openings: BoundedVec<Opening, 80>,
    },
    /// An auditor reveals the results it committed to.
    RevealAudit {
        /// The order.
        order: OrderId,
        /// The results.
        results: AuditResults,
        /// The salt of the commitment.
        salt: Digest,
    },
    /// A party of a dispute states its leaf at [`Dispute::middle`](crate::Dispute::middle).
    Bisect {
        /// The order.
        order: OrderId,
        /// The leaf.
        leaf: Digest,
        /// The provider shows that the leaf is under its root; a challenger has no root.
        path: Option<merkle::Path>,
    },
    /// A validator says what it found at the disputed step.
    Attest {
        /// The order.
        order: OrderId,
        /// The leaf, or `None` when the evidence could not be had or opened.
        leaf: Option<Digest>,
    },
    /// The requester says that the result file does not hold the audited final state.
    Complain {
        /// The order.
        order: OrderId,
    },
    /// The requester is content and ends the complaint window.
    Accept {
        /// The order.
        order: OrderId,
    },
}

impl Call {
    /// The call's name as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Call::Transfer { .. } => "transfer",
            Call::Register { .. } => "register",
            Call::Unregister { .. } => "unregister",
            Call::PutFile(_) => "put_file",
            Call::PostOrder(_) => "post_order",
            Call::CancelOrder { .. } => "cancel_order",
            Call::Grant { .. } => "grant",
            Call::Decline { .. } => "decline",
            Call::CommitTrace { .. } => "commit_trace",
            Call::OpenStarts { .. } => "open_starts",
            Call::CommitAudit { .. } => "commit_audit",
            Call::OpenEnds { .. } => "open_ends",
            Call::RevealAudit { .. } => "reveal_audit",
            Call::Bisect { .. } => "bisect",
            Call::Attest { .. } => "attest",
            Call::Complain { .. } => "complain",
            Call::Accept { .. } => "accept",
        }
    }

    /// The order that the call is about, if it is about one that exists already.
    pub fn order(&self) -> Option<OrderId> {
        match self {
            Call::Transfer { .. }
            | Call::Register { .. }
            | Call::Unregister { .. }
            | Call::PutFile(_)
            | Call::PostOrder(_) => None,
            Call::CancelOrder { order }
            | Call::Grant { order, .. }
            | Call::Decline { order, .. }
            | Call::CommitTrace { order, .. }
            | Call::OpenStarts { order, .. }
            | Call::CommitAudit { order, .. }
            | Call::OpenEnds { order, .. }
            | Call::RevealAudit { order, .. }
            | Call::Bisect { order, .. }
            | Call::Attest { order, .. }
            | Call::Complain { order }
            | Call::Accept { order } => Some(*order),
        }
    }
}

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
    /// The specification makes no sense.
    Specification,
}

/// One leaf of a trace with the path to the trace's root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Opening {
    /// Index of the state.
    pub step: StepIndex,
    /// Its leaf: `Digest::of("assay/trace/v1", [step, digest of the state])`.
    pub leaf: Digest,
    /// From the leaf up to the root.
    pub path: merkle::Path,
}

/// What one auditor found. `None` stands for "what I was granted did not let me begin".
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AuditResults {
    /// Leaf 0, recomputed from the specification.
    pub initial: Option<Digest>,
    /// The end leaf of every drawn segment, in ascending order of segments.
    pub segments: BoundedVec<(SegmentIndex, Option<Digest>), 64>,
}

impl AuditResults {
    /// The digest an auditor posts before the provider opens the ends. It binds the auditor, so
    /// nobody can post another's commitment and later reveal what the other revealed.
    pub fn commitment(&self, order: OrderId, auditor: AccountId, salt: &Digest) -> Digest {
        // Serialising into memory cannot fail.
        let results = borsh::to_vec(self).unwrap_or_default();
        Digest::of(
            "assay/audit/v1",
            &[&order.0.0, &auditor.0, &results, &salt.0],
        )
    }

    /// What was found for a segment; `None` when the segment is not listed.
    pub fn segment(&self, segment: SegmentIndex) -> Option<Option<Digest>> {
        self.segments
            .iter()
            .find(|(index, _)| *index == segment)
            .map(|(_, leaf)| *leaf)
    }
}
