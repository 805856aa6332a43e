//! What happened, for those who watch.

use assay_crypto::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Amount, DeclineReason, FailureReason, FileId, OrderId, Outcome, Phase, Question,
    Role, SegmentIndex, StepIndex, Verdict,
};

/// One thing that happened, in a transaction or at the beginning of a block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields say what they are: who, which order, how much"
)]
pub enum Event {
    /// Money moved between accounts.
    Transferred {
        from: AccountId,
        to: AccountId,
        amount: Amount,
    },
    /// A role was offered or its bond raised.
    Registered {
        account: AccountId,
        role: Role,
        bond: Amount,
    },
    /// A role was given up.
    Unregistered { account: AccountId, role: Role },
    /// A bond, or part of it, came back to the balance.
    Unbonded {
        account: AccountId,
        role: Role,
        amount: Amount,
    },
    /// A file was recorded.
    FilePut { file: FileId, owner: AccountId },
    /// An order was posted and its escrow paid in.
    OrderPosted {
        order: OrderId,
        requester: AccountId,
        escrow: Amount,
    },
    /// An order entered a phase.
    PhaseEntered { order: OrderId, phase: Phase },
    /// The beacon drew a provider.
    ProviderDrawn {
        order: OrderId,
        attempt: u8,
        provider: AccountId,
    },
    /// Keys were handed over.
    Granted {
        order: OrderId,
        from: AccountId,
        to: AccountId,
    },
    /// A provider gave the order back.
    Declined {
        order: OrderId,
        provider: AccountId,
        reason: DeclineReason,
    },
    /// A provider committed to its run.
    TraceCommitted {
        order: OrderId,
        provider: AccountId,
        root: Digest,
    },
    /// The beacon drew auditors and segments.
    AuditDrawn {
        order: OrderId,
        auditors: Vec<AccountId>,
        segments: Vec<SegmentIndex>,
    },
    /// An auditor committed to its results.
    AuditCommitted { order: OrderId, auditor: AccountId },
    /// An auditor revealed its results.
    AuditRevealed { order: OrderId, auditor: AccountId },
    /// A difference is in dispute.
    Disputed {
        order: OrderId,
        challenger: AccountId,
        question: Question,
        segment: SegmentIndex,
    },
    /// A dispute was narrowed.
    Narrowed {
        order: OrderId,
        agreed: StepIndex,
        disputed: StepIndex,
    },
    /// A validator attested.
    Attested {
        order: OrderId,
        validator: AccountId,
        leaf: Option<Digest>,
    },
    /// A dispute ended.
    Decided { order: OrderId, verdict: Verdict },
    /// A bond was cut.
    Slashed {
        order: OrderId,
        account: AccountId,
        role: Role,
        amount: Amount,
        reason: SlashReason,
    },
    /// Money left an order, a slashed bond or a deposit for an account.
    Paid {
        order: OrderId,
        account: AccountId,
        amount: Amount,
    },
    /// An attempt came to nothing.
    AttemptFailed {
        order: OrderId,
        attempt: u8,
        provider: AccountId,
        reason: FailureReason,
    },
    /// An order ended.
    Ended { order: OrderId, outcome: Outcome },
}

/// Why a bond was cut.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SlashReason {
    /// A provider's attempt came to nothing by its own fault.
    Provider(FailureReason),
    /// An auditor did not commit in time.
    NoCommitment,
    /// An auditor did not reveal in time.
    NoReveal,
    /// An auditor's challenge was wrong.
    FalseChallenge,
    /// An auditor did not make its move in a dispute.
    SilentChallenge,
}

impl Event {
    /// The order it is about.
    pub fn order(&self) -> Option<OrderId> {
        match self {
            Event::Transferred { .. }
            | Event::Registered { .. }
            | Event::Unregistered { .. }
            | Event::Unbonded { .. }
            | Event::FilePut { .. } => None,
            Event::OrderPosted { order, .. }
            | Event::PhaseEntered { order, .. }
            | Event::ProviderDrawn { order, .. }
            | Event::Granted { order, .. }
            | Event::Declined { order, .. }
            | Event::TraceCommitted { order, .. }
            | Event::AuditDrawn { order, .. }
            | Event::AuditCommitted { order, .. }
            | Event::AuditRevealed { order, .. }
            | Event::Disputed { order, .. }
            | Event::Narrowed { order, .. }
            | Event::Attested { order, .. }
            | Event::Decided { order, .. }
            | Event::Slashed { order, .. }
            | Event::Paid { order, .. }
            | Event::AttemptFailed { order, .. }
            | Event::Ended { order, .. } => Some(*order),
        }
    }
}
