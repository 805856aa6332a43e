//! What happens to orders.

use assay_crypto::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Amount, DeclineReason, Event, FailureReason, FileId, Finding, OrderId, Outcome,
    Phase, Piece, Question, Role, RunIndex, SegmentIndex, StepIndex, Verdict,
};

/// Something that happened to an order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields say what they are: who, which run, how much"
)]
pub enum OrderEvent {
    /// It was posted and its escrow paid in.
    OrderPosted {
        requester: AccountId,
        escrow: Amount,
    },
    /// It entered a phase.
    PhaseEntered { phase: Phase },
    /// The beacon drew a list of accounts, which are asked in this order.
    Asked {
        role: Role,
        accounts: Vec<AccountId>,
    },
    /// An account that was asked answered.
    Answered { account: AccountId, accept: bool },
    /// An account that was asked did not answer, and its offer is suspended.
    Missed { account: AccountId },
    /// A provider took it, and a run began.
    ProviderDrawn { run: RunIndex, provider: AccountId },
    /// Keys were handed over.
    Granted { from: AccountId, to: AccountId },
    /// A provider gave it back.
    Declined {
        provider: AccountId,
        reason: DeclineReason,
    },
    /// A provider committed to its run.
    TraceCommitted { provider: AccountId, root: Digest },
    /// A provider committed to its run without showing it.
    RunCommitted { provider: AccountId },
    /// Auditors took every seat, and the beacon drew segments for them.
    AuditDrawn {
        auditors: Vec<AccountId>,
        segments: Vec<SegmentIndex>,
    },
    /// An auditor committed to its results.
    AuditCommitted { auditor: AccountId },
    /// An auditor revealed its results.
    AuditRevealed { auditor: AccountId },
    /// A difference is in dispute.
    Disputed {
        run: RunIndex,
        challenger: AccountId,
        question: Question,
        segment: SegmentIndex,
    },
    /// A dispute was narrowed.
    Narrowed {
        agreed: StepIndex,
        disputed: StepIndex,
    },
    /// A provider released the key of its states to the requester.
    Delivered { provider: AccountId },
    /// A validator committed to what it found.
    FindingCommitted { validator: AccountId },
    /// A validator attested.
    Attested {
        validator: AccountId,
        found: Finding,
    },
    /// So many validators could not get what had to be shown to them that it is to be shown again.
    Unseen { pieces: Vec<Piece> },
    /// A dispute ended.
    Decided { verdict: Verdict },
    /// A bond was cut.
    Slashed {
        account: AccountId,
        role: Role,
        amount: Amount,
        reason: SlashReason,
    },
    /// Money left the order, a slashed bond or a deposit for an account.
    Paid { account: AccountId, amount: Amount },
    /// A run came to nothing.
    RunFailed {
        run: RunIndex,
        provider: AccountId,
        reason: FailureReason,
    },
    /// It ended.
    Ended { outcome: Outcome },
    /// An account got the fee of its answer, or of one that it may have sent in vain.
    Reimbursed { account: AccountId, amount: Amount },
    /// The requester showed that a run's result is not its final state.
    Contradicted { run: RunIndex },
    /// An account takes part as a trainer.
    Joined { trainer: AccountId, number: u16 },
    /// A trainer takes part no more; its bond is free.
    Left { trainer: AccountId },
    /// A trainer was found to have failed in a round, and takes part no more.
    PutOut { trainer: AccountId },
    /// A round began, or the making of the first model.
    RoundBegun { round: u16, trainers: u16 },
    /// A trainer committed to its steps and its update.
    UpdateCommitted {
        round: u16,
        trainer: AccountId,
        root: Digest,
    },
    /// A validator said which updates it holds.
    Held { validator: AccountId },
    /// So many of the updates that were sent can be had.
    Gathered { round: u16, sent: u16, held: u16 },
    /// The beacon drew whose steps are audited.
    TrainersDrawn {
        round: u16,
        trainers: Vec<AccountId>,
    },
    /// A validator said what the merged model is.
    ModelAttested { validator: AccountId, file: FileId },
    /// The model that the first round begins with was made.
    FirstModel { file: FileId },
    /// So many updates were merged into the next model.
    Merged {
        round: u16,
        updates: u16,
        file: FileId,
    },
    /// The round merged nothing: nothing or too little was sent or stood, or the validators did not agree in
    /// time.
    NotMerged { round: u16, sent: u16, counted: u16 },
    /// The key of a contest's test set was dealt, under these encryption keys of the validators.
    KeyDealt { under: Digest },
    /// A validator said whether its share of it is good.
    ShareChecked { validator: AccountId, good: bool },
    /// An account takes part in a contest.
    Claimed { provider: AccountId },
    /// A contest began: each claimant has a seed of its own.
    ContestBegun { claims: u16 },
    /// A validator showed its share of the test set's key.
    ShareShown { validator: AccountId },
    /// The test set can be read.
    KeyOpened,
    /// A validator showed its scores.
    ScoresShown { validator: AccountId },
    /// A claim's score was found; none where its model could not be scored.
    Scored {
        provider: AccountId,
        score: Option<u64>,
    },
    /// Somebody doubts a claim's score.
    ScoreChallenged {
        provider: AccountId,
        by: AccountId,
        score: Option<u64>,
    },
    /// A quorum scored a claim once more.
    Recounted {
        provider: AccountId,
        score: Option<u64>,
    },
}

impl OrderEvent {
    /// This event of an order.
    pub fn of(self, order: OrderId) -> Event {
        Event::Order { order, event: self }
    }
}

/// Why a bond was cut.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SlashReason {
    /// A provider's run came to nothing by its own fault.
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
